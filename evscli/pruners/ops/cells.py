"""The 2x2 cells of a frame's tokens, and the tokens that stand out of it as their cells do.

The score is the one of GleanVID (arXiv 2609.37042).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def cell_salience(x: Tensor, tau: float) -> Tensor:
    """Return how much nearer each raw token of `x [f, h, w, D]` is to its 2x2 cell than its frame.

    The result is [f, h*w]: `softplus(tau (cos(x, cell mean) - cos(x, frame mean))) / tau`.
    """
    _, h, w, _ = x.shape
    near_means = cell_means(x)[:, cells_of(h, w, x)].view_as(x)
    frames = x.mean(dim=(1, 2), keepdim=True)
    near = functional.cosine_similarity(x, near_means, dim=-1)
    far = functional.cosine_similarity(x, frames, dim=-1)
    return functional.softplus(tau * (near - far)).flatten(1) / tau


def cells_of(h: int, w: int, like: Tensor) -> Tensor:
    """Return the number of the 2x2 cell of each token of a frame: [h*w] int64.

    Cells begin at the upper left corner; those at an odd edge are smaller.
    """
    rows, columns = (torch.arange(size, device=like.device) // 2 for size in (h, w))
    return (rows[:, None] * ((w + 1) // 2) + columns).flatten()


def cell_means(x: Tensor) -> Tensor:
    """Return the mean of each 2x2 cell of `x [f, h, w, D]`: [f, P, D]."""
    planes = x.permute(0, 3, 1, 2)
    means = functional.avg_pool2d(planes, 2, ceil_mode=True, count_include_pad=False)
    rows: Tensor = means.flatten(2).transpose(1, 2)
    return rows
