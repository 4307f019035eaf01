"""The curve that a video's frames trace, and the share of the budget each frame gets from it.

V-CAST (arXiv 2603.27650). Works on one direction per frame; sees no tokens. Nothing here waits
for a device.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def curvature(directions: Tensor) -> Tensor:
    """`1 - cos(f[t]-f[t-1], f[t+1]-f[t])` of `directions f [T, D]`: [T]; 1 at both ends.

    Where the curve stands still the cosine is 0, so the curvature is 1 there too.
    """
    steps = directions.diff(dim=0)
    bends = torch.ones_like(directions[:, 0])
    if len(directions) > 2:
        bends[1:-1] = 1 - functional.cosine_similarity(steps[:-1], steps[1:], dim=-1, eps=1e-6)
    return bends


def frame_budgets(
    bends: Tensor, *, cells: int, total: int, tau: float, min_k: int, largest_remainder: bool
) -> Tensor:
    """How many of its `cells` tokens each frame keeps: [T] int64, summing to `total`.

    Every frame gets `min_k`; the rest follows `softmax(bends / tau)`, rounded down and capped at
    `cells`. What is left over fills the frame with the largest fraction first, and when that is
    full the next; with `largest_remainder` it is dealt one token a frame in the same order.
    """
    weights = (bends / tau).softmax(dim=0)
    # The authors' code divides by the sum once more, which moves the last bit, and so the floor.
    shares = weights / weights.sum() * (total - len(bends) * min_k)
    budgets = min_k + shares.floor().clamp(max=cells - min_k).long()
    order = (shares - shares.floor()).argsort(descending=True, stable=True)
    room = cells - budgets[order]
    left = total - budgets.sum()
    extra = _deal(room, left, cells) if largest_remainder else _fill(room, left)
    return budgets.index_add(0, order, extra)


def _fill(room: Tensor, left: Tensor) -> Tensor:
    """Give `left` tokens to the first frame until its `room [T]` is used up, then to the next."""
    return (left - (room.cumsum(0) - room)).clamp(min=0).minimum(room)


def _deal(room: Tensor, left: Tensor, cells: int) -> Tensor:
    """Give `left` tokens in rounds of one to each frame that has `room [T]`, in order."""
    rounds = torch.arange(1, cells + 1, device=room.device)
    handed_out = room.minimum(rounds[:, None]).sum(dim=1)
    whole_rounds = (handed_out <= left).sum()
    given = room.minimum(whole_rounds)
    waiting = room > given
    return given + (waiting & (waiting.cumsum(0) <= left - given.sum()))
