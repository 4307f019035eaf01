"""The curve that a video's frames trace, and the weight each frame gets from it.

V-CAST (arXiv 2603.27650). Works on one direction per frame; sees no tokens. Nothing here waits
for a device.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def curvature(directions: Tensor) -> Tensor:
    """`1 - cos(f[t]-f[t-1], f[t+1]-f[t])` of `directions f [T, D]`: [T]; 1 at both ends.

    Where the curve stands still the cosine is 0, so the curvature is 1 there too.
    """
    steps = directions.diff(dim=0)
    bends = torch.ones_like(directions[:, 0])
    if len(directions) > 2:
        bends[1:-1] = 1 - functional.cosine_similarity(steps[:-1], steps[1:], dim=-1, eps=1e-6)
    return bends


def frame_weights(bends: Tensor, tau: float) -> Tensor:
    """The share of the budget of each frame: [T], summing to 1."""
    weights = (bends / tau).softmax(dim=0)
    # The authors' code divides by the sum once more, which moves the last bit, and so the floor.
    return weights / weights.sum()
