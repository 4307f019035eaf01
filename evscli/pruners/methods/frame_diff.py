"""Frame differences of pixels (DiffFP, arXiv 2501.13106): keep what changed since the frame before.

The authors' rule has a threshold and no budget: frame 0 is kept whole, and of each later frame the
tokens whose pixels differ by more, or else its first token. With a budget the largest differences
are kept instead, and one token of every frame at least.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from evscli.budget import round_count
from evscli.option import Option
from evscli.pruners.method import Pruner
from evscli.records import KeptTokens, PruneInputs, VideoTokens

if TYPE_CHECKING:
    from torch import Tensor

SCALE = 255 / 0.5
"""The authors' measure of a difference from black to white: theirs is of pixels less 0.5, divided
by 0.5, and multiplied by 255."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of frame-diff."""

    threshold: Annotated[
        float | None,
        Option(
            "The difference up to which a token is dropped, whatever the budget; the authors use "
            "0.1, a mean of 0.05 levels of 255.",
            least=0,
        ),
    ] = None


def frame_diff(
    tokens: VideoTokens, inputs: PruneInputs, budget: float, options: Options
) -> KeptTokens:
    """Keep the tokens whose pixels differ most from the frame before.

    Frame 0 comes before all others, its tokens in the order of the largest difference that their
    cell has later.
    """
    from evscli.pruners.ops.frame_change import pixel_change

    assert inputs.pixels is not None, "a method names in `needs` what it needs"
    t, h, w = tokens.grid_thw
    count = expected_count(t, h * w, budget)
    scores = pixel_change(inputs.pixels, tokens.grid_thw).to(tokens.embeds.device) * SCALE
    if t > 1:
        scores[0] += scores[1:].amax(dim=0)
    mask = one_of_each(scores, count)
    if options.threshold is not None:
        mask = above(mask, scores, options.threshold)
        count = int(mask.sum())
    return KeptTokens(mask=mask, scores=scores, expected=count, notes=_least_note(t, h * w, budget))


def expected_count(frames: int, cells: int, budget: float, *_: object) -> int:
    """Count the tokens kept of `frames` temporal patches of `cells`: at least one of each frame."""
    return max(frames, round_count(frames * cells, budget))


PRUNER = Pruner(
    name="frame-diff",
    summary="keeps the tokens whose pixels changed most since the frame before",
    paper="Differential Frame Pruner (DiffFP), arXiv 2501.13106",
    order=5,
    function=frame_diff,
    option_type=Options,
    expected_count=expected_count,
    content_decides_by_option=frozenset({"threshold"}),
    needs=frozenset({"pixels"}),
)


def one_of_each(scores: Tensor, count: int) -> Tensor:
    """Return the mask of the `count` highest of `scores [T, h, w]`, one a frame before all."""
    from evscli.pruners.ops.ranking import keep_highest

    rows = scores.flatten(1)
    best = rows.argmax(dim=1, keepdim=True)
    return keep_highest(rows.scatter(1, best, float("inf")), count).view_as(scores)


def above(mask: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Return the ones of `mask [T, h, w]` above the threshold, and of no frame none.

    Frame 0 is above any. A frame without one keeps its first token.
    """
    changed = scores > threshold
    changed[0] = True
    mask = mask & changed
    rows = mask.flatten(1)
    rows[:, 0] |= ~rows.any(dim=1)
    return rows.view_as(mask)


def _least_note(frames: int, cells: int, budget: float) -> tuple[str, ...]:
    asked = round_count(frames * cells, budget)
    if frames <= asked:
        return ()
    return (
        f"frame-diff keeps a token of every frame, so {frames} of {frames * cells} tokens are kept "
        f"where a budget of {budget:g} asks for {asked}; choose another method to keep less.",
    )
