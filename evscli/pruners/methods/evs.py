"""EVS, Efficient Video Sampling (arXiv 2510.14624): keep the tokens that changed most over time.

Frame 0 is always kept whole; the others compete in one ranking over the video. There are two ways
to count, and two spaces to measure change in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from evscli.option import Option
from evscli.pruners.budget import PruningRate, check_rate, floor_count, serving_count
from evscli.pruners.method import Pruner
from evscli.records import KeptTokens, PruneInputs, VideoTokens

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of EVS."""

    rule: Annotated[
        Literal["serving", "paper"],
        Option("The count: frame 0 within the budget, as in serving engines, or on top."),
    ] = "serving"
    space: Annotated[
        Literal["embedding", "rgb"],
        Option("What is compared: embeddings, or the resized pixels."),
    ] = "embedding"
    pruning_rate: PruningRate = None


def evs(tokens: VideoTokens, inputs: PruneInputs, budget: float, options: Options) -> KeptTokens:
    """Keep the tokens that changed most since the frame before.

    The paper's rule keeps frame 0 and, of the later frames, every score at or above the percentile
    `1 - budget`.
    """
    from evscli.pruners.ops.frame_change import token_change

    t, h, w = tokens.grid_thw
    count = expected_count(t, h * w, budget, options)
    scores = token_change(tokens, inputs, of_pixels=options.space == "rgb")
    mask = _keep(scores, count, options)
    notes = _first_frame_note(t, h * w, budget, count)
    return KeptTokens(mask=mask, scores=scores, expected=count, notes=notes)


def expected_count(frames: int, cells: int, budget: float, options: Options) -> int:
    """Count the tokens kept of `frames` temporal patches of `cells` tokens.

    With `paper` scores that tie at the percentile are kept on top. Raises UsageError where rate and
    budget disagree.
    """
    asked = options.pruning_rate
    if options.rule == "serving":
        return max(cells, serving_count(frames * cells, budget, asked))
    rate = 1 - budget if asked is None else check_rate(asked, budget)
    ranked = (frames - 1) * cells
    return cells + ranked - _below_percentile(ranked, rate)


PRUNER = Pruner(
    name="evs",
    summary="keeps the first frame and the tokens that changed most since the frame before",
    paper="Efficient Video Sampling, arXiv 2510.14624",
    order=1,
    function=evs,
    option_type=Options,
    expected_count=expected_count,
    content_decides_by_option=frozenset({"rule"}),
    needs_by_option={("space", "rgb"): "pixels"},
)


def _below_percentile(ranked: int, rate: float) -> int:
    """Count the scores of `ranked` distinct ones below their interpolated percentile."""
    return max(0, math.ceil(rate * (ranked - 1) - 1e-9))


def _keep(scores: Tensor, count: int, options: Options) -> Tensor:
    from evscli.pruners.ops.ranking import keep_highest

    if options.rule == "serving" or len(scores) == 1:
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
            f"EVS keeps the first frame whole and there is no other: budget {budget:g} keeps all "
            "of it; sample more frames, or choose another method, to keep less.",
        )
    if frames == 1 or count > cells:
        return ()
    return (
        f"EVS keeps only the first frame here: a budget of {budget:g} allows "
        f"{floor_count(frames * cells, budget)} of {frames * cells} tokens and the first frame "
        f"alone has {cells}; more survives at budgets above {1 / frames:.3g} or with more frames.",
    )
