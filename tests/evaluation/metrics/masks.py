"""Masks for the tests of the diagnostics."""

from __future__ import annotations

import torch
from torch import Tensor


def random_mask(grid: tuple[int, int, int], share: float, seed: int = 0) -> Tensor:
    """Keeps each cell with probability `share`."""
    return torch.rand(grid, generator=torch.Generator().manual_seed(seed)) < share
