"""The novelty of frames, as GleanVID (arXiv 2609.37042) has it: what those before do not span."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from evscli.pruners.ops.cells import cell_means, cells_of
from evscli.pruners.ops.frames import float_chunks

_EPS = 1e-4
_LEAST_EVEN, _MOST_EVEN = 0.2, 0.6
"""The bounds of the share of the budget that all frames get alike."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Bias:
    """The mean of a video's tokens and the unit direction of most variance."""

    mean: Tensor
    """[D] float32."""
    direction: Tensor
    """[D] float32."""

    @classmethod
    def of(cls, embeds: Tensor) -> Bias:
        """Return those of `embeds [T, h, w, D]`: the top right singular vector, by X^T X."""
        t, h, w, width = embeds.shape
        total = torch.zeros(width, dtype=torch.float64, device=embeds.device)
        for _, _, x in float_chunks(embeds):
            total += x.sum(dim=(0, 1), dtype=torch.float64)
        mean = (total / (t * h * w)).float()
        gram = torch.zeros((width, width), dtype=torch.float32, device=embeds.device)
        for _, _, x in float_chunks(embeds):
            rows = (x - mean).flatten(0, 1)
            gram.addmm_(rows.T, rows)
        gram /= gram.diagonal().amax().clamp(min=torch.finfo(torch.float32).tiny)
        return cls(mean=mean, direction=torch.linalg.eigh(gram).eigenvectors[:, -1])

    def removed(self, x: Tensor) -> Tensor:
        """Return tokens [..., D] without their part along the direction, around the mean."""
        centred = x - self.mean
        return x - (centred @ self.direction)[..., None] * self.direction


def frame_novelty(embeds: Tensor, bias: Bias, *, history: int) -> Tensor:
    """Return the summed novelty of each frame of `embeds [T, h, w, D]`: [T] float32.

    A 2x2 cell's novelty is the length of its mean outside the span of the same cell's means in up
    to `history` frames before, by a ridge regression; each of its tokens counts.
    """
    t, h, w, width = embeds.shape
    sizes = cells_of(h, w, embeds).bincount()
    seen = History(min(history, t), cells=len(sizes), like=embeds)
    novelty = torch.empty(t, dtype=torch.float32, device=embeds.device)
    for start, _, x in float_chunks(embeds):
        for number, means in enumerate(cell_means(bias.removed(x).view(-1, h, w, width)), start):
            novelty[number] = (seen.residual(means) * sizes).sum()
    return novelty


class History:
    """The means of every cell in the last frames, and their inner products."""

    def __init__(self, frames: int, *, cells: int, like: Tensor) -> None:
        """Make room for `frames` frames of `cells` cells, of the width and device of `like`."""
        self._means = torch.zeros((cells, frames, like.shape[-1]), device=like.device)
        self._gram = torch.zeros((cells, frames, frames), device=like.device)
        self._seen = 0

    def residual(self, means: Tensor) -> Tensor:
        """Return the length of `means [P, D]` outside the span of those before, [P]; add them.

        It is the root of `|z|^2 - b^T (G + ridge I)^-1 b`, with G and b the inner products.
        """
        frames = self._means.shape[1]
        known, slot = min(self._seen, frames), self._seen % frames
        squares = means.square().sum(dim=-1)
        products = torch.bmm(self._means[:, :known], means[:, :, None]).squeeze(2)
        left = squares
        if known:
            gram = self._gram[:, :known, :known]
            ridge = _EPS * gram.diagonal(dim1=1, dim2=2).mean(dim=1)
            ridge = torch.where(ridge > 0, ridge, 1)
            eye = torch.eye(known, device=means.device)
            factor = torch.linalg.cholesky_ex(gram + ridge[:, None, None] * eye).L
            half = torch.linalg.solve_triangular(factor, products[:, :, None], upper=False)
            left = squares - half.square().sum(dim=(1, 2))
        self._means[:, slot] = means
        self._gram[:, slot, :known] = products
        self._gram[:, :known, slot] = products
        self._gram[:, slot, slot] = squares
        self._seen += 1
        return left.clamp(min=0).sqrt()


def frame_shares(novelty: Tensor) -> Tensor:
    """Return each frame's share of the budget: [T], summing to 1.

    The more unequal the novelties `[T]` are, by their Gini coefficient, the less is shared evenly.
    """
    frames, total = len(novelty), novelty.sum()
    even = torch.full_like(novelty, 1 / frames)
    own = torch.where(total > 0, novelty / total, even)
    ranks = torch.arange(1, frames + 1, device=novelty.device)
    gini = 2 * (ranks * own.sort().values).sum() / frames - (frames + 1) / frames
    alpha = _MOST_EVEN - (_MOST_EVEN - _LEAST_EVEN) * gini
    return alpha * even + (1 - alpha) * own
