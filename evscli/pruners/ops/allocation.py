"""The shares of a budget that frames get by weight.

These functions wait for no device.
"""

from __future__ import annotations

import torch
from torch import Tensor


def frame_budgets(
    weights: Tensor, *, cells: int, total: int, min_k: int, largest_remainder: bool
) -> Tensor:
    """Return how many of its `cells` tokens each frame keeps: [T] int64, summing to `total`.

    Every frame gets `min_k`; the rest follows `weights [T]`, which sum to 1, rounded down and
    capped at `cells`. The remainder fills the frame with the largest fraction first, and when that
    is full the next; with `largest_remainder` it is dealt one token a frame in the same order.
    """
    shares = weights * (total - len(weights) * min_k)
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
