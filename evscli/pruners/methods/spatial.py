"""How much each token stands out of its own frame.

V-CAST (arXiv 2603.27650). One walk over the tokens computes every frame's direction and every
token's score. Knows no budget.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from evscli.pruners.ops.frames import float_chunks

_EPS = 1e-6


def frame_directions_and_scores(embeds: Tensor) -> tuple[Tensor, Tensor]:
    """Unit mean of each frame, [T, D], and score of each token, [T, N]; both float32.

    The score is `1 - cos(x[t,i], mean[t])` plus the token's norm rescaled to 0..1 over its frame.
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
    """`direction[t] . x[t,i]` of [f, D] and [f, N, D]: [f, N].

    A matrix product is the fastest form on a CPU. On CUDA it could run in TF32 where the caller
    allows that for a model, which is too coarse for scores.
    """
    if x.is_cuda:
        return (x * direction[:, None]).sum(dim=-1)
    return torch.bmm(direction[:, None], x.transpose(1, 2)).squeeze(1)


def _rescaled(norms: Tensor) -> Tensor:
    """Each row of `norms [f, N]` rescaled to 0..1."""
    low, high = norms.aminmax(dim=1, keepdim=True)
    return (norms - low) / (high - low + _EPS)
