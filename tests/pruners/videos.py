"""Small videos of tokens for the tests of the pruners."""

from __future__ import annotations

import torch
from torch import Tensor

from evscli.records import VideoTokens


def noise(t: int, h: int, w: int, d: int = 8, seed: int = 0) -> Tensor:
    """Random embeddings [t, h, w, d]."""
    return torch.randn((t, h, w, d), generator=torch.Generator().manual_seed(seed))


def tokens(t: int, h: int, w: int, d: int = 8, seed: int = 0) -> VideoTokens:
    """Random tokens."""
    return VideoTokens.from_embeds(noise(t, h, w, d, seed))


def still(t: int, h: int, w: int, d: int = 8) -> Tensor:
    """The same random frame `t` times."""
    return noise(1, h, w, d).repeat(t, 1, 1, 1)
