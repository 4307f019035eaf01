"""EVS, Efficient Video Sampling (arXiv 2510.14624): keep the tokens that changed most over time.

Frame 0 is always kept whole; the others compete in one ranking over the video. Two ways to count
are in use, and two spaces to measure change in; the change itself is computed in frame_change.
Imports torch only when it runs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from evscli.errors import UsageError
from evscli.pruners.budget import check_rate, floor_count
from evscli.records import KeptTokens, PruneInputs, VideoTokens

if TYPE_CHECKING:
    from torch import Tensor

Rule = Literal["serving", "paper"]
Space = Literal["embedding", "rgb"]


def evs(
    tokens: VideoTokens,
    inputs: PruneInputs,
    budget: float,
    *,
    rule: Rule = "serving",
    space: Space = "embedding",
    pruning_rate: float | None = None,
) -> KeptTokens:
    """Keep what changed most since the frame before.

    `rule="serving"` counts frame 0 within the budget, as serving engines do; `rule="paper"` keeps
    frame 0 and, of the later frames, every score at or above the percentile `1 - budget`.
    `space="rgb"` compares the resized pixels and needs `inputs.pixels`. `pruning_rate` q, given
    beside a budget of 1-q, counts `int(T*N*(1-q))` exactly as the engines compute it.
    """
    t, h, w = tokens.grid_thw
    expected = evs_count(t, h * w, budget, rule=rule, space=space, pruning_rate=pruning_rate)
    scores = _change(tokens, inputs, space)
    return KeptTokens(
        mask=_keep(scores, expected, rule),
        scores=scores,
        expected=expected,
        notes=_first_frame_note(t, h * w, budget, expected),
    )


def evs_count(
    frames: int,
    cells: int,
    budget: float,
    *,
    rule: Rule = "serving",
    space: Space = "embedding",
    pruning_rate: float | None = None,
) -> int:
    """Tokens kept of `frames` temporal patches of `cells` tokens; with `paper`, scores that tie
    at the percentile are kept on top. Raises UsageError where rate and budget disagree.
    """
    del space
    rate = 1 - budget if pruning_rate is None else check_rate(pruning_rate, budget)
    if rule == "paper":
        ranked = (frames - 1) * cells
        return cells + ranked - _below_percentile(ranked, rate)
    if pruning_rate is None:
        return max(cells, floor_count(frames * cells, budget))
    return max(cells, int(frames * cells * (1 - pruning_rate)))


def _below_percentile(ranked: int, rate: float) -> int:
    """How many of `ranked` distinct scores lie below their linearly interpolated percentile."""
    return max(0, math.ceil(rate * (ranked - 1) - 1e-9))


def _change(tokens: VideoTokens, inputs: PruneInputs, space: Space) -> Tensor:
    from evscli.pruners.ops.frame_change import embedding_change, pixel_change

    if space == "embedding":
        return embedding_change(tokens.embeds)
    if inputs.pixels is None:
        raise UsageError("evs with space=rgb needs the pixels: pass them, or use space=embedding")
    return pixel_change(inputs.pixels, tokens.grid_thw).to(tokens.embeds.device)


def _keep(scores: Tensor, count: int, rule: Rule) -> Tensor:
    from evscli.pruners.ops.ranking import keep_highest

    if rule == "serving" or len(scores) == 1:
        return keep_highest(scores, count)
    # No score lies between two neighbours in rank, so the interpolated percentile selects what
    # the score next above it selects.
    rest = scores[1:].flatten()
    below = scores.numel() - count
    mask = scores >= rest.kthvalue(below + 1).values
    mask[0] = True
    return mask


def _first_frame_note(frames: int, cells: int, budget: float, count: int) -> tuple[str, ...]:
    if frames == 1 and budget < 1:
        return (
            f"EVS keeps the first frame whole and here is no other, so budget {budget:g} keeps all "
            "of it; sample more frames, or choose another method, to keep less.",
        )
    if frames == 1 or count > cells:
        return ()
    return (
        f"EVS keeps only the first frame here: a budget of {budget:g} allows "
        f"{floor_count(frames * cells, budget)} of {frames * cells} tokens and the first frame "
        f"alone has {cells}; more survives at budgets above {1 / frames:.3g} or with more frames.",
    )
