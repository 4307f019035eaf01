"""The share of a video's tokens outside the span of the kept ones.

SPARE (arXiv 2606.18681) prunes by this residual, which is only measured here. The formulas and
conventions are in the package's docstring.
"""

from __future__ import annotations

import torch
from torch import Tensor

from evscli.evaluation.metrics.rows import blocks, directions, kept_and_dropped, not_finite, rows_at
from evscli.records import VideoTokens

_NEGLIGIBLE = 1e-10
"""The share of the largest eigenvalue up to which eigenvalues count as zero, 1e-5 for singular
values: as weak as a float32 encoder's rounding, and well above that of sums in float64."""


def projection_residual(tokens: VideoTokens, mask: Tensor) -> float:
    """Return `||X - P X||_F^2 / ||X||_F^2`: X all tokens as rows, P a projection on the span of s.

    The range is 0..1: 1 where nothing is kept, 0 where all is or all tokens are zero. It is 0 once
    the kept tokens span R^D, for which D tokens may suffice, and so does not differ between masks
    that keep many more.

    The span is that of the eigenvectors of `sum_s s s^T / |s|^2`, in float64, whose eigenvalues
    exceed 1e-10 of the largest. A kept token thus counts whatever its length, and float32 rounding
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
    """Return the share of `energy` in `lost [D, D]` along the directions outside `span [D, D]`.

    The kept tokens have no energy there, so `lost` is made of the dropped ones only.
    """
    if not energy.isfinite():
        raise not_finite()
    if energy == 0:
        return 0.0
    values, vectors = torch.linalg.eigh(span)
    along = ((lost @ vectors) * vectors).sum(dim=0)
    outside = along[values <= _NEGLIGIBLE * values[-1]].sum()
    return float((outside / energy).clamp(0, 1))
