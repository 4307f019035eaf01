"""The weights of STTS's scorer as a module, under their published names."""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn

from evscli.pruners.methods.stts import window_scores

POOLER, NETWORK = "patch_token_pooler", "mlp"
TRUNCATED = 2.0
"""The standard deviations at which first weights are cut off, as in the published code."""


class Scorer(nn.Module):
    """A pooler that attends from the mean of a window to its patches, and a network behind it."""

    def __init__(self, width: int, units: int, heads: int, *, seed: int) -> None:
        """Draw first weights for hidden states of `width` channels in `heads` attention heads."""
        super().__init__()
        self.heads = heads
        self.patch_token_pooler = nn.ModuleDict(
            {part: nn.Linear(width, width) for part in ("wq", "wk", "wv", "wo")}
        )
        sizes = {"w1": (2 * width, units), "w2": (units, units), "w3": (units, 1)}
        self.mlp = nn.ModuleDict({name: nn.Linear(*size) for name, size in sizes.items()})
        generator = torch.Generator().manual_seed(seed)
        for parameter in self.parameters():
            draw(parameter, generator)

    def forward(self, windows: Tensor) -> Tensor:
        """Score windows [T, h, w, p, C]: [T, h, w] in 0..1, differentiable."""
        return window_scores(windows, dict(self.named_parameters()), heads=self.heads)


@torch.no_grad()
def draw(parameter: Tensor, generator: torch.Generator) -> None:
    """Draw weights [out, in] from a normal distribution of deviation 1 / sqrt(in); biases are 0."""
    if parameter.ndim < 2:
        parameter.zero_()
        return
    deviation = 1 / sqrt(parameter.shape[1])
    limit = TRUNCATED * deviation
    nn.init.trunc_normal_(parameter, std=deviation, a=-limit, b=limit, generator=generator)
