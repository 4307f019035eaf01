"""The distance of a video's tokens to the nearest one kept, by cosine.

The numbers are the k-center radius and the facility location of a cover by some members of a set.
The formulas and conventions are in the package's docstring.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from evscli.evaluation.metrics.rows import blocks, directions, kept_and_dropped, not_finite, rows_at
from evscli.records import VideoTokens


def k_center_radius(tokens: VideoTokens, mask: Tensor) -> float:
    """Return `max_x min_s d(x, s)` with `d = 1 - cos`: the distance of the worst served token.

    The range is 0..2: 2 where nothing is kept, 0 where all is. Keeping more tokens never raises it,
    but for the float32 rounding of cosines. Raises as `nearest_cosine` does.
    """
    return radius_of(nearest_cosine(tokens, mask))


def facility_location(tokens: VideoTokens, mask: Tensor) -> float:
    """Return `mean_x max_s cos(x, s)`: the mean cosine of a token to the nearest kept one.

    The range is -1..1: -1 where nothing is kept, 1 where all is. Keeping more never lowers it, but
    for rounding. Kept tokens are part of the mean, each with cosine 1, so the kept share alone
    raises it already. Raises as `nearest_cosine` does.
    """
    return mean_of(nearest_cosine(tokens, mask))


def nearest_cosine(tokens: VideoTokens, mask: Tensor) -> Tensor:
    """Return `max_s cos(x, s)` of every token x: [T, h, w] float32 in -1..1, on their device.

    The cosine is exactly 1 for a kept token, and -1 for all where `mask [T, h, w] bool` keeps
    nothing. Takes K * (M - K) * D multiplications for K kept of M tokens. Raises UsageError without
    tokens or for values that are not finite, ValueError for a mask of another grid or dtype.
    """
    kept, dropped = kept_and_dropped(tokens, mask)
    nearest = mask.to(dropped.device).float() * 2 - 1
    for keepers in blocks(kept):
        units = _with_zero_axis(rows_at(tokens, keepers))
        for cells in blocks(dropped):
            cosines = _products(_with_zero_axis(rows_at(tokens, cells)), units)
            at = tuple(cells.unbind(1))
            nearest[at] = nearest[at].maximum(cosines.amax(dim=1))
    if not nearest.isfinite().all():
        raise not_finite()
    return nearest.clamp_(-1, 1)


def radius_of(nearest: Tensor) -> float:
    """Return the k-center radius of the result of `nearest_cosine`."""
    return float((1 - nearest).amax())


def mean_of(nearest: Tensor) -> float:
    """Return the facility location of the result of `nearest_cosine`."""
    return float(nearest.double().mean())


def _with_zero_axis(rows: Tensor) -> Tensor:
    """Return unit rows [m, D + 1] of rows [m, D]; a zero row points along an axis of its own."""
    units = pad(directions(rows), (0, 1))
    units[:, -1] = torch.linalg.vector_norm(units, dim=1) == 0
    return units


def _products(a: Tensor, b: Tensor) -> Tensor:
    """Return `a[i] . b[j]` of [m, D] and [k, D]: [m, k] float32.

    The precision is full even where the caller allows a model less, by autocast or TF32: neither
    touches float64, and a CPU has no TF32.
    """
    if a.is_cuda:
        return (a.double() @ b.double().T).float()
    with torch.autocast("cpu", enabled=False):
        return a @ b.T
