"""Masks from scores: the highest, over the whole video or frame by frame.

Ties go to the earlier token. Counts are given, so these functions wait for no device.
"""

from __future__ import annotations

import torch
from torch import Tensor

_ROUNDING = 1e-6


def places(scores: Tensor) -> Tensor:
    """Return the place of each of `scores`, of any shape, in their order: int32, 0 the highest."""
    return places_in(scores.flatten().argsort(descending=True, stable=True)).view(scores.shape)


def places_in(order: Tensor) -> Tensor:
    """Return the place of each number in `order`, a permutation [n] of 0..n-1: [n] int32."""
    numbers = torch.arange(len(order), dtype=torch.int32, device=order.device)
    return torch.empty_like(numbers).scatter_(0, order, numbers)


def keep_highest(scores: Tensor, count: int) -> Tensor:
    """Return the mask of the `count` highest of `scores`, of any shape."""
    return places(scores) < count


def keep_highest_per_frame(scores: Tensor, budgets: Tensor) -> Tensor:
    """Return the mask [T, N] of the `budgets[t]` (int64 [T]) highest of each row of `scores`."""
    order = scores.argsort(dim=1, descending=True, stable=True)
    rank = torch.arange(scores.shape[1], device=scores.device)
    mask = torch.zeros_like(scores, dtype=torch.bool)
    return mask.scatter_(1, order, rank < budgets[:, None])


def rescaled(scores: Tensor, *, size: float = 0.0) -> Tensor:
    """Return each row of `scores [..., N]` rescaled to 0..1.

    A row that is alike but for rounding is 0, or its noise would become an order. Rounding is that
    of the largest magnitude, or of `size` where scores are differences of numbers of that size.
    """
    low, high = scores.aminmax(dim=-1, keepdim=True)
    alike = high - low <= _ROUNDING * torch.maximum(high, -low).clamp(min=size)
    return ((scores - low) / (high - low)).masked_fill(alike, 0)
