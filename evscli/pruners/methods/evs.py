"""EVS, Efficient Video Sampling (arXiv 2510.14624): keep the tokens that changed most over time.

Frame 0 is always kept whole; the others compete in one ranking over the video. There are two ways
to count, and two spaces to measure change in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from evscli.budget import (
    CountRule,
    PruningRate,
    check_rate,
    first_frame_notes,
    first_frame_rule,
    serving_count,
)
from evscli.errors import UsageError
from evscli.option import Option
from evscli.pruners.method import Pruner
from evscli.records import KeptTokens, PruneInputs, VideoTokens

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of EVS. Raises UsageError for a window among pixels."""

    rule: Annotated[
        Literal["serving", "paper"],
        Option("The count: frame 0 within the budget, as in serving engines, or on top."),
    ] = "serving"
    space: Annotated[
        Literal["embedding", "rgb"],
        Option("What is compared: embeddings, or the resized pixels."),
    ] = "embedding"
    window: Annotated[
        int | None,
        Option(
            "Cells around its own with which a token is compared in the frame before, to see "
            "movement as no change.",
            metavar="CELLS",
            least=1,
        ),
    ] = None
    pruning_rate: PruningRate = None

    def __post_init__(self) -> None:
        if self.window is not None and self.space == "rgb":
            raise UsageError("option window of evs compares embeddings: leave space=rgb out")


def evs(tokens: VideoTokens, inputs: PruneInputs, budget: float, options: Options) -> KeptTokens:
    """Keep the tokens that changed most since the frame before.

    The paper's rule keeps frame 0 and, of the later frames, every score at or above the percentile
    `1 - budget`.
    """
    from evscli.pruners.ops.frame_change import token_change, window_change
    from evscli.pruners.ops.ranking import places

    t, h, w = tokens.grid_thw
    count = expected_count(t, h * w, budget, options)
    if options.window is None:
        scores = token_change(tokens, inputs, of_pixels=options.space == "rgb")
    else:
        scores = window_change(tokens.embeds, reach=options.window)
    order = places(scores)
    return KeptTokens(
        mask=order < count if options.rule == "serving" or t == 1 else _above(scores, count),
        scores=scores,
        expected=count,
        order=order,
        notes=first_frame_notes(t, h * w, budget),
    )


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


def count_rule(cells: int, options: Options) -> CountRule | None:
    """Return the rule of the count; the paper's, and a serving engine's rate, have none."""
    plain = options.rule == "serving" and options.pruning_rate is None
    return first_frame_rule(cells) if plain else None


PRUNER = Pruner(
    name="evs",
    summary="keeps the first frame and the tokens that changed most since the frame before",
    paper="Efficient Video Sampling, arXiv 2510.14624",
    order=1,
    function=evs,
    option_type=Options,
    expected_count=expected_count,
    nested=count_rule,
    content_decides_by_option=frozenset({"rule"}),
    needs_by_option={("space", "rgb"): "pixels"},
)


def _below_percentile(ranked: int, rate: float) -> int:
    """Count the scores of `ranked` distinct ones below their interpolated percentile."""
    return max(0, math.ceil(rate * (ranked - 1) - 1e-9))


def _above(scores: Tensor, count: int) -> Tensor:
    """Return the mask of the first frame and of all scores above the percentile of a count."""
    # No score lies between two neighbours in rank, so the interpolated percentile selects what
    # the score next above it selects.
    rest = scores[1:].flatten()
    below = scores.numel() - count
    mask = scores >= rest.kthvalue(below + 1).values
    mask[0] = True
    return mask
