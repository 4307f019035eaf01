"""The outliers of a frame and the curvature of a video's path (V-CAST, arXiv 2603.27650)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from evscli.pruners.ops.frames import float_chunks

_EPS = 1e-6


def frame_directions_and_scores(embeds: Tensor) -> tuple[Tensor, Tensor]:
    """Return each frame's unit mean, [T, D], and each token's score, [T, N]; both float32.

    The score is `1 - cos(x[t,i], mean[t])` plus the token's norm rescaled to 0..1 over its frame.
    One walk over the tokens computes both.
    """
    t, h, w, width = embeds.shape
    directions = torch.empty((t, width), dtype=torch.float32, device=embeds.device)
    scores = torch.empty((t, h * w), dtype=torch.float32, device=embeds.device)
    for start, stop, x in float_chunks(embeds):
        norms = torch.linalg.vector_norm(x, dim=-1)  # first: it streams the chunk into the cache
        direction = functional.normalize(x.mean(dim=1), dim=-1, eps=_EPS)
        cosine = _products(direction, x) / norms.clamp(min=_EPS)
        directions[start:stop] = direction
        scores[start:stop] = 1 - cosine + _rescaled(norms)
    return directions, scores


def _products(direction: Tensor, x: Tensor) -> Tensor:
    """Return `direction[t] . x[t,i]` of [f, D] and [f, N, D]: [f, N].

    A matrix product is the fastest form on a CPU. On CUDA it could run in TF32 where the caller
    allows that for a model, which is too coarse for scores.
    """
    if x.is_cuda:
        return (x * direction[:, None]).sum(dim=-1)
    return direction[:, None].bmm(x.transpose(1, 2)).squeeze(1)


def _rescaled(norms: Tensor) -> Tensor:
    """Return each row of `norms [f, N]` rescaled to 0..1."""
    low, high = norms.aminmax(dim=1, keepdim=True)
    return (norms - low) / (high - low + _EPS)


def curvature(directions: Tensor) -> Tensor:
    """Return `1 - cos(f[t]-f[t-1], f[t+1]-f[t])` of `directions f [T, D]`: [T]; 1 at both ends.

    Where the curve stands still the cosine is 0, so the curvature is 1 there too.
    """
    steps = directions.diff(dim=0)
    bends = torch.ones_like(directions[:, 0])
    if len(directions) > 2:
        bends[1:-1] = 1 - functional.cosine_similarity(steps[:-1], steps[1:], dim=-1, eps=1e-6)
    return bends


def curvature_shares(bends: Tensor, tau: float) -> Tensor:
    """Return the share of the budget of each frame: [T], summing to 1."""
    weights = (bends / tau).softmax(dim=0)
    # The authors' code divides by the sum once more, which moves the last bit, and so the floor.
    return weights / weights.sum()
