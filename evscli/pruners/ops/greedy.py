"""Greedy choice of a set of tokens, each step given what is chosen already. Knows no method.

Both rules compare all pairs of the tokens they are given, so callers hand over a part of a long
video at a time. The steps are a loop by nature; nothing in it waits for a device.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional


def parts(frames: int, cells: int, count: int, most: int) -> Iterator[tuple[int, int, int]]:
    """(start, stop, share) of runs of whole frames of at most `most` tokens, or of one frame.

    The runs are as even as can be and the shares, in proportion to their frames, sum to `count`.
    """
    runs = -(-frames // max(1, most // cells))
    edges = [frames * run // runs for run in range(runs + 1)]
    for start, stop in pairwise(edges):
        yield start, stop, count * stop // frames - count * start // frames


def unit_tokens(embeds: Tensor) -> Tensor:
    """`embeds [..., D]` as float32 rows of length 1, [n, D]; zero vectors stay zero.

    Exact for values of any size: a square of large ones would overflow, and of small ones vanish.
    """
    rows = embeds.detach().flatten(0, -2).float()
    peaks = rows.abs().amax(dim=-1, keepdim=True)
    return functional.normalize(rows / peaks.masked_fill(peaks == 0, 1), dim=-1)


def farthest_points(unit: Tensor, count: int) -> Tensor:
    """`count` of the rows of `unit [n, D]`, each as far from those before as can be: [count] int64.

    Distance is 1 - cos. The first is the row whose nearest neighbour is farthest.
    """
    distance = 1 - unit @ unit.T
    order = torch.empty(count, dtype=torch.int64, device=unit.device)
    nearest = distance.clone().fill_diagonal_(torch.inf).amin(dim=1)
    for step in range(count):
        chosen = nearest.argmax()
        order[step] = chosen
        row = distance.index_select(0, chosen.view(1))[0]
        nearest = row if step == 0 else torch.minimum(nearest, row)
        nearest.index_fill_(0, chosen.view(1), -torch.inf)
    return order


def determinantal_points(unit: Tensor, quality: Tensor, count: int) -> Tensor:
    """`count` rows of `unit [n, D]` that a determinantal point process finds likeliest: [count].

    Greedy maximisation of the determinant of `diag(q) cos diag(q)` with `quality q [n]`, by
    Cholesky updates. Rows that the chosen ones span already come last, the better ones first.
    """
    kernel = quality[:, None] * (unit @ unit.T) * quality
    gain = quality.square()
    least = 1e-6 * gain.amax()
    open_ = torch.ones_like(gain)
    factors = torch.zeros((count, len(unit)), dtype=unit.dtype, device=unit.device)
    order = torch.empty(count, dtype=torch.int64, device=unit.device)
    for step in range(count):
        spanned = gain <= least
        key = torch.where(spanned, least * quality, gain)
        chosen = torch.where(open_ > 0, key, -1.0).argmax().view(1)
        order[step] = chosen[0]
        row = kernel.index_select(0, chosen)[0]
        row = row - factors[:step].index_select(1, chosen)[:, 0] @ factors[:step]
        own = gain.index_select(0, chosen)
        row = torch.where(own > least, row / own.clamp(min=least).sqrt(), torch.zeros_like(row))
        factors[step] = row
        gain = gain - row.square()
        open_.index_fill_(0, chosen, 0)
    return order
