"""DTD, Differential Token Drop (TimeChat-Online, arXiv 2504.17343): drop what repeats itself.

A token that is like its own cell of the real previous frame is dropped. Frame 0 is always kept.
Imports torch only when it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from evscli.errors import UsageError
from evscli.pruners.budget import first_frame_note, floor_count
from evscli.records import KeptTokens, PruneInputs, VideoTokens

if TYPE_CHECKING:
    from torch import Tensor

Space = Literal["feature", "pixel"]


def dtd(
    tokens: VideoTokens,
    inputs: PruneInputs,
    budget: float,
    *,
    space: Space = "feature",
    threshold: float | None = None,
) -> KeptTokens:
    """Keep what differs most from the frame before, as many tokens as the budget allows.

    With `threshold` also drop, whatever the budget, tokens whose cosine to the frame before is
    above it (`space="feature"`; the authors use 0.5) or whose mean absolute pixel difference, in
    0..1, is below it (`space="pixel"`, which needs `inputs.pixels`).
    """
    from evscli.pruners.ops.ranking import keep_highest

    t, h, w = tokens.grid_thw
    count = dtd_count(t, h * w, budget, space=space, threshold=threshold)
    scores = _difference(tokens, inputs, space)
    mask = keep_highest(scores, count)
    if threshold is not None:
        least = 1 - threshold if space == "feature" else threshold
        changed = scores >= least
        changed[0] = True
        mask &= changed
        count = int(mask.sum())
    allowed = floor_count(t * h * w, budget)
    notes = first_frame_note("DTD", t, h * w, allowed=allowed, budget=budget)
    return KeptTokens(mask=mask, scores=scores, expected=count, notes=notes)


def dtd_count(
    frames: int,
    cells: int,
    budget: float,
    *,
    space: Space = "feature",
    threshold: float | None = None,
) -> int:
    """Tokens kept of `frames` temporal patches of `cells` tokens; with `threshold` the most.

    Raises UsageError for a `threshold` outside the range of what it is compared with.
    """
    low = -1 if space == "feature" else 0
    if threshold is not None and not low <= threshold <= 1:
        raise UsageError(
            f"option threshold of dtd must be from {low} to 1 with space={space}, "
            f"got {threshold:g}: the authors use 0.5 with space=feature"
        )
    return max(cells, floor_count(frames * cells, budget))


def _difference(tokens: VideoTokens, inputs: PruneInputs, space: Space) -> Tensor:
    from evscli.pruners.ops.frame_change import embedding_change, pixel_change

    if space == "feature":
        return embedding_change(tokens.embeds)
    if inputs.pixels is None:
        raise UsageError("dtd with space=pixel needs the pixels: pass them, or use space=feature")
    return pixel_change(inputs.pixels, tokens.grid_thw).to(tokens.embeds.device)
