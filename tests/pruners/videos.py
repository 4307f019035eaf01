"""Small videos of tokens for the tests of the pruners."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from evscli.records import PixelSource, VideoTokens


def noise(t: int, h: int, w: int, d: int = 8, seed: int = 0) -> Tensor:
    """Random embeddings [t, h, w, d]."""
    return torch.randn((t, h, w, d), generator=torch.Generator().manual_seed(seed))


def tokens(t: int, h: int, w: int, d: int = 8, seed: int = 0) -> VideoTokens:
    """Random tokens."""
    return VideoTokens.from_embeds(noise(t, h, w, d, seed))


def still(t: int, h: int, w: int, d: int = 8) -> Tensor:
    """The same random frame `t` times."""
    return noise(1, h, w, d).repeat(t, 1, 1, 1)


def source(frames: Tensor, *, chunk: int = 3, patch: int = 2) -> PixelSource:
    """Resized frames [F, 3, H, W] as a method is given them."""

    def chunks() -> Iterator[Tensor]:
        yield from frames.split(chunk)

    return PixelSource(chunks=chunks, temporal_patch_size=patch)


def pictures(count: int, height: int = 12, width: int = 16) -> Tensor:
    """Random frames [count, 3, height, width] of uint8."""
    generator = torch.Generator().manual_seed(0)
    size = (count, 3, height, width)
    return torch.randint(0, 256, size, generator=generator, dtype=torch.uint8)
