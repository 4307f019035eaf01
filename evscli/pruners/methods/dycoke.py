"""DyCoke's temporal stage (TTM, arXiv 2411.15024): drop repetitions in groups of four frames.

The first frame of every four is kept whole. The second is compared with it, the third with it too,
and the fourth with the third; of each the least similar tokens stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evscli.budget import round_count
from evscli.pruners.method import Pruner
from evscli.records import KeptTokens, PruneInputs, VideoTokens

if TYPE_CHECKING:
    from torch import Tensor

GROUP = 4


def dycoke(tokens: VideoTokens, inputs: PruneInputs, budget: float) -> KeptTokens:
    """Keep every fourth frame and, of the others, the tokens least like the frame compared with.

    The budget beside the whole frames is shared evenly over the others. Where it is not a multiple
    of them, the earliest keep one token more.
    """
    from evscli.pruners.ops.ranking import keep_highest_per_frame

    t, h, w = tokens.grid_thw
    count = expected_count(t, h * w, budget)
    scores = _difference(tokens.embeds)
    budgets = _frame_budgets(t, h * w, count).to(scores.device)
    return KeptTokens(
        mask=keep_highest_per_frame(scores.flatten(1), budgets).view(t, h, w),
        scores=scores,
        expected=count,
        notes=_least_note(t, h * w, budget),
    )


def expected_count(frames: int, cells: int, budget: float) -> int:
    """Count the tokens kept of `frames` temporal patches of `cells`: at least every fourth one."""
    return max(_whole_frames(frames) * cells, round_count(frames * cells, budget))


PRUNER = Pruner(
    name="dycoke",
    summary="keeps every fourth frame and what the frames between do not repeat",
    paper="DyCoke (temporal stage), arXiv 2411.15024",
    order=5,
    function=dycoke,
    expected_count=expected_count,
)


def _whole_frames(frames: int) -> int:
    return -(-frames // GROUP)


def _difference(embeds: Tensor) -> Tensor:
    """Return 1 - cos to the frame each is compared with, [T, h, w] float32; 2 for whole frames."""
    from evscli.pruners.ops.frame_change import embedding_change

    scores = embedding_change(embeds)
    scores[::GROUP] = 2.0
    scores[2::GROUP] = embedding_change(embeds, lag=2)[2::GROUP]
    return scores


def _frame_budgets(frames: int, cells: int, count: int) -> Tensor:
    """Return the budget of each frame, [T] int64 that sum to `count`."""
    import torch

    budgets = torch.full((frames,), cells)
    others = torch.arange(frames) % GROUP != 0
    rest = count - cells * _whole_frames(frames)
    each, more = divmod(rest, max(1, int(others.sum())))
    budgets[others] = each + (torch.arange(int(others.sum())) < more).long()
    return budgets


def _least_note(frames: int, cells: int, budget: float) -> tuple[str, ...]:
    least, asked = _whole_frames(frames) * cells, round_count(frames * cells, budget)
    if least <= asked:
        return ()
    return (
        f"DyCoke keeps every fourth frame whole, so {least} of {frames * cells} tokens are kept "
        f"where a budget of {budget:g} asks for {asked}; choose another method to keep less.",
    )
