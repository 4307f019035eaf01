"""How much of a video's tokens lies outside what the kept ones span.

SPARE (arXiv 2606.18681) uses this residual to prune; here it only measures. Formulas and
conventions: the package's docstring.
"""

from __future__ import annotations

import torch
from torch import Tensor

from evscli.evaluation.metrics.rows import blocks, directions, kept_and_dropped, not_finite, rows_at
from evscli.records import VideoTokens

_NEGLIGIBLE = 1e-10
"""Eigenvalues up to this share of the largest count as none, singular values up to 1e-5: as weak
as the rounding of a float32 encoder, and still well above that of sums in float64."""


def projection_residual(tokens: VideoTokens, mask: Tensor) -> float:
    """`||X - P X||_F^2 / ||X||_F^2`, X all tokens as rows, P the projection onto the span of s.

    0..1: 1 where nothing is kept, 0 where all is or all tokens are zero. It becomes 0 as soon as
    the kept tokens span R^D, which D of them may do: where many more are kept it tells nothing.

    The span is that of the eigenvectors of `sum_s s s^T / |s|^2`, in float64, whose eigenvalues
    exceed 1e-10 of the largest; so a kept token counts whatever its length, and float32 rounding
    of equal tokens adds no direction. Takes M * D^2 multiplications for M tokens, and memory for
    a few D x D matrices. Raises UsageError where there are no tokens or their values are not
    finite, and ValueError for a mask of another grid or dtype.
    """
    kept, dropped = kept_and_dropped(tokens, mask)
    width = tokens.embeds.shape[-1]
    span = torch.zeros((width, width), dtype=torch.float64, device=kept.device)
    lost, energy = torch.zeros_like(span), span.new_zeros(())
    for cells in blocks(kept):
        x = rows_at(tokens, cells).double()
        energy += x.square().sum()
        span.addmm_(directions(x).T, directions(x))
    for cells in blocks(dropped):
        x = rows_at(tokens, cells).double()
        lost.addmm_(x.T, x)
    return _share_outside(span, lost, energy + lost.trace())


def _share_outside(span: Tensor, lost: Tensor, energy: Tensor) -> float:
    """The share of `energy` that `lost [D, D]` has in the directions that `span [D, D]` lacks.

    The kept tokens have none there, so only the dropped ones are in `lost`.
    """
    if not energy.isfinite():
        raise not_finite()
    if energy == 0:
        return 0.0
    values, vectors = torch.linalg.eigh(span)
    along = ((lost @ vectors) * vectors).sum(dim=0)
    outside = along[values <= _NEGLIGIBLE * values[-1]].sum()
    return float((outside / energy).clamp(0, 1))
