"""Frames to images of several frames, equal to those of Nemotron-Omni's processor.

It resizes in floating point and does not round, so that resized frames are float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from evscli.models.contract import Resize
from evscli.models.parts.pixels import Scaled, repeat_last


@dataclass(frozen=True, kw_only=True, eq=False)
class NemotronPixels(Scaled):
    """The pixel operations that a Nemotron-Omni checkpoint asks for."""

    patch_size: int
    temporal_patch_size: int
    merge_size: int
    mean: Tensor
    """[3, 1, 1] float32, of values up to 1"""
    std: Tensor
    """[3, 1, 1] float32, of values up to 1"""

    @property
    def resize(self) -> Resize:
        """[f, 3, H, W] uint8 on the CPU to a size, equal bit for bit to the processor's result."""
        return resize_unrounded

    def resize_on_device(self, pixels: Tensor, size: tuple[int, int]) -> Tensor:
        """Resize on any device; sums differ there in the last bits."""
        return resize_unrounded(pixels, size)

    def patchify(self, pixels: Tensor) -> Tensor:
        """Normalise frames [f, 3, H, W] to images in float32 [T, t * 3, H, W].

        An incomplete last temporal patch repeats its last frame.
        """
        pixels = repeat_last(pixels, -len(pixels) % self.temporal_patch_size)
        mean, std = self.scale_on(pixels.device)
        values = (pixels / 255.0).sub_(mean).div_(std)
        return values.reshape(-1, 3 * self.temporal_patch_size, *pixels.shape[2:])


def nemotron_pixels(processor: Any, *, model: str) -> NemotronPixels:
    """Return the constants of a video processor."""
    del model
    return NemotronPixels(
        patch_size=int(processor.patch_size),
        temporal_patch_size=int(processor.temporal_patch_size),
        merge_size=int(processor.merge_size),
        mean=torch.tensor(processor.norm_mean, dtype=torch.float32).view(3, 1, 1),
        std=torch.tensor(processor.norm_std, dtype=torch.float32).view(3, 1, 1),
    )


def resize_unrounded(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize [f, 3, H, W] uint8 to `size` in float32 with antialiasing, not rounded."""
    if pixels.shape[-2:] == size:
        return pixels
    return interpolate(
        pixels.float(), size=size, mode="bicubic", align_corners=False, antialias=True
    )
