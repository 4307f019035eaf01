"""The likeness of tokens to the means of their video and frame (VidCom2, arXiv 2505.14454).

Only the half of the channels that vary least counts. Three walks over the tokens, a few frames at a
time, compute it. The chosen channels are not copied: the others are zeroed in the few vectors that
tokens are multiplied with.
"""

from __future__ import annotations

import torch
from torch import Tensor

from evscli.pruners.ops.frames import float_chunks

_WIDTHS = (1 / 8, 1 / 4, 1 / 2, 1, 2)
"""The widths of the Gaussian kernels whose sum is the likeness."""
_EPS = 1e-12


def likeness(embeds: Tensor) -> tuple[Tensor, Tensor]:
    """Return the likeness of each token of `embeds [T, h, w, D]` to the means of video and frame.

    Both are [T, h*w] float32 in 0..5: `sum over a of exp(-||x - c||^2 / 2a)` of unit tokens and
    means that are not scaled again.
    """
    t, h, w, width = embeds.shape
    chosen = steady_channels(embeds)
    norms = torch.empty((t, h * w), dtype=torch.float32, device=embeds.device)
    to_frame, lengths = torch.empty_like(norms), torch.empty_like(norms)
    means = torch.empty((t, width), dtype=torch.float32, device=embeds.device)
    squares = torch.empty(0, dtype=torch.float32, device=embeds.device)
    for start, stop, x in float_chunks(embeds):
        squares = squares if squares.shape == x.shape else torch.empty_like(x)
        torch.mul(x, x, out=squares)
        norm = _dots(chosen, squares).sqrt_()
        length = (norm > _EPS).float()  # of the unit token: a zero token stays zero
        norm.clamp_(min=_EPS)
        mean = torch.bmm((1 / (h * w * norm))[:, None], x).squeeze(1) * chosen
        dots = _dots(mean, x) / norm
        to_frame[start:stop] = _kernels(length + mean.square().sum(-1, keepdim=True) - 2 * dots)
        norms[start:stop], means[start:stop], lengths[start:stop] = norm, mean, length
    centre = means.mean(dim=0)
    to_video = torch.empty_like(norms)
    for start, stop, x in float_chunks(embeds):
        to_video[start:stop] = _dots(centre, x) / norms[start:stop]
    return _kernels(lengths + centre.square().sum() - 2 * to_video), to_frame


def steady_channels(embeds: Tensor) -> Tensor:
    """Return 1 for the `int(D / 2)` channels of lowest variance, else 0: [D] float32."""
    variance = channel_variance(embeds)
    order = variance.argsort(stable=True)
    chosen = variance.new_zeros(len(variance)).float()
    chosen[order[: len(variance) // 2]] = 1
    return chosen


def channel_variance(embeds: Tensor) -> Tensor:
    """Return the population variance of each channel of `embeds [T, h, w, D]`: [D] float64.

    Squares are summed around the mean of the first frames, so that nothing cancels where a channel
    lies far from 0.
    """
    t, h, w, width = embeds.shape
    total = torch.zeros(width, dtype=torch.float64, device=embeds.device)
    squares = torch.zeros_like(total)
    pivot = None
    buffer = torch.empty(0, dtype=torch.float32, device=embeds.device)
    for _, _, x in float_chunks(embeds):
        pivot = _sum(x) / (len(x) * h * w) if pivot is None else pivot
        buffer = buffer if buffer.shape == x.shape else torch.empty_like(x)
        torch.sub(x, pivot, out=buffer)
        total += _sum(buffer)
        squares += _sum(buffer.square_())
    count = t * h * w
    return squares / count - (total / count).square()


def _dots(direction: Tensor, x: Tensor) -> Tensor:
    """Return [f, N] products of x [f, N, D] with [D] or [f, D]; batched they run much faster here.

    The other forms of this product, and sums by reduction, run on one thread or strided.
    """
    rows = direction.expand(len(x), -1)[:, None]
    return rows.bmm(x.transpose(1, 2)).squeeze(1)


def _sum(x: Tensor) -> Tensor:
    """Sum x [f, N, D] to [D]."""
    return x.new_ones(len(x), 1, x.shape[1]).bmm(x).sum(dim=(0, 1))


def _kernels(squared_distance: Tensor) -> Tensor:
    likeness = squared_distance.new_zeros(squared_distance.shape)
    for width in _WIDTHS:
        likeness += (squared_distance / (-2 * width)).exp()
    return likeness
