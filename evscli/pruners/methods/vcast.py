"""V-CAST (arXiv 2603.27650): spend the budget on frames where the video bends, then on outliers.

The frames' mean embeddings trace a curve; its curvature shares the budget out over frames, and
within a frame the tokens unlike its mean, and those of large norm, are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from evscli.budget import round_count
from evscli.errors import UsageError
from evscli.option import Option
from evscli.pruners.method import Pruner
from evscli.records import KeptTokens, PruneInputs, VideoTokens

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of V-CAST. Raises UsageError for a `tau` that is not above 0."""

    tau: Annotated[float, Option("The temperature of the softmax over curvatures.")] = 0.7
    min_k: Annotated[int, Option("The least number of tokens that a frame keeps.", least=1)] = 1
    largest_remainder: Annotated[
        bool,
        Option("What rounding leaves over goes to frames one by one, not all to one frame."),
    ] = False

    def __post_init__(self) -> None:
        if not self.tau > 0:
            raise UsageError(
                f"option tau of vcast must be above 0, got {self.tau:g}: the paper uses 0.7"
            )


def vcast(tokens: VideoTokens, inputs: PruneInputs, budget: float, options: Options) -> KeptTokens:
    """Keep the top tokens of each frame, more of them where the video changes direction."""
    from evscli.pruners.ops.allocation import frame_budgets
    from evscli.pruners.ops.outliers import (
        curvature,
        curvature_shares,
        frame_directions_and_scores,
    )
    from evscli.pruners.ops.ranking import keep_highest_per_frame

    t, h, w = tokens.grid_thw
    total = expected_count(t, h * w, budget, options)
    directions, scores = frame_directions_and_scores(tokens.embeds)
    budgets = frame_budgets(
        curvature_shares(curvature(directions), options.tau),
        cells=h * w,
        total=total,
        min_k=min(options.min_k, h * w),
        largest_remainder=options.largest_remainder,
    )
    return KeptTokens(
        mask=keep_highest_per_frame(scores, budgets).view(t, h, w),
        scores=scores.view(t, h, w),
        expected=total,
        notes=_single_frame_note(t, budget) + _least_note(t, h * w, budget, options.min_k),
    )


def expected_count(frames: int, cells: int, budget: float, options: Options) -> int:
    """Count the tokens kept of `frames` temporal patches of `cells`: all of a single frame."""
    if frames <= 1:
        return frames * cells
    return max(round_count(frames * cells, budget), frames * min(options.min_k, cells))


PRUNER = Pruner(
    name="vcast",
    summary="gives more to frames where the video turns, keeps what stands out of its frame",
    paper="V-CAST, arXiv 2603.27650",
    order=2,
    function=vcast,
    option_type=Options,
    expected_count=expected_count,
)


def _single_frame_note(frames: int, budget: float) -> tuple[str, ...]:
    if frames > 1 or budget == 1:
        return ()
    return (
        f"V-CAST prunes nothing of a single temporal patch, so budget {budget:g} keeps all of it; "
        "sample more frames, or choose another method, to keep less.",
    )


def _least_note(frames: int, cells: int, budget: float, min_k: int) -> tuple[str, ...]:
    least, asked = frames * min(min_k, cells), round_count(frames * cells, budget)
    if frames == 1 or least <= asked:
        return ()
    way_out = "lower min_k" if min_k > 1 else "sample fewer frames, or choose another method,"
    return (
        f"V-CAST keeps at least {min(min_k, cells)} of {cells} tokens of each frame here (min_k is "
        f"{min_k}), so {least} of {frames * cells} tokens are kept where a budget of {budget:g} "
        f"asks for {asked}; {way_out} to keep less.",
    )
