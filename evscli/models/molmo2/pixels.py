"""Frames to patches as Molmo2's video processor makes them: every frame one square image.

Pure functions on tensors; the size and all constants come from the checkpoint's processor.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from evscli.errors import ModelError
from evscli.models.contract import Resize
from evscli.models.parts.pixels import RESAMPLE_MODES, PixelConstants, channel_constants


class Molmo2Pixels(PixelConstants):
    """The pixel operations that a Molmo2 checkpoint asks for."""

    @property
    def resize(self) -> Resize:
        """[f, 3, H, W] uint8 to a size, equal bit for bit to the processor's result on a CPU."""
        return partial(resize_rounded, mode=self.resample)

    def resize_on_device(self, pixels: Tensor, size: tuple[int, int]) -> Tensor:
        """Resize on any device; rounding differs there by a level at most."""
        return self.resize(pixels, size)

    def patchify(self, pixels: Tensor) -> Tensor:
        """Normalise uint8 frames [f, 3, H, W] to patches in float32 [f, S, p * p * 3].

        Patches are in raster order, and so are the pixels in a patch, channels last.
        """
        p = self.patch_size
        frames, _, height, width = pixels.shape
        split = pixels.view(frames, 3, height // p, p, width // p, p)
        ordered = split.permute(0, 2, 4, 3, 5, 1).reshape(frames, -1, p * p, 3)
        mean, std = self.scale_on(pixels.device)
        return ordered.float().sub_(mean).div_(std).flatten(2)


def molmo2_pixels(processor: Any, *, model: str) -> Molmo2Pixels:
    """Return the constants of a video processor. Raises ModelError for what is not supported."""
    mode = RESAMPLE_MODES.get(int(processor.resample))
    rows, columns = processor.pooling_size
    if mode not in ("bilinear", "bicubic") or rows != columns:
        raise ModelError(
            f"{model}: resampling {processor.resample!r} with windows of {rows}x{columns} is not "
            "supported; use bilinear or bicubic and square windows"
        )
    return Molmo2Pixels(
        patch_size=int(processor.patch_size),
        merge_size=int(rows),
        resample=mode,
        mean=channel_constants(processor.image_mean, processor.rescale_factor),
        std=channel_constants(processor.image_std, processor.rescale_factor),
    )


def resize_rounded(pixels: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    """Resize [f, 3, H, W] uint8 to `size` in floating point without antialiasing, rounded."""
    if pixels.shape[-2:] == size:
        return pixels
    resized = interpolate(pixels.float(), size, mode=mode, antialias=False)
    return resized.round_().clamp_(0, 255).to(torch.uint8)
