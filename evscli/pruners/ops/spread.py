"""Evenly spread positions on a line and on a grid, for baselines without a look at content."""

from __future__ import annotations

from math import ceil, sqrt

import torch
from torch import Tensor


def spread(count: int, size: int) -> Tensor:
    """Return `count` of 0..size-1, evenly spread and centred: int64, ascending, distinct."""
    return (2 * torch.arange(count) + 1) * size // (2 * max(count, 1))


def spread_cells(count: int, h: int, w: int) -> Tensor:
    """Return the mask [h, w] of `count` evenly spread cells: spread rows, and cells in each."""
    mask = torch.zeros((h, w), dtype=torch.bool)
    if count == 0:
        return mask
    square = round(sqrt(count * h / w))
    rows = min(max(square, ceil(count / w), 1), h, count)
    per_row = torch.full((rows,), count // rows)
    per_row[spread(count % rows, rows)] += 1
    for row, cells in zip(spread(rows, h).tolist(), per_row.tolist(), strict=True):
        mask[row, spread(cells, w)] = True
    return mask
