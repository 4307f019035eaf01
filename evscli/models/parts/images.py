"""Frames to images, for towers that cut these into patches themselves."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor

from evscli.errors import ModelError
from evscli.models.contract import Resize
from evscli.models.parts.pixels import (
    RESAMPLE_MODES,
    PixelConstants,
    channel_constants,
    resize_approximate,
    resize_exact,
)


class ImagePixels(PixelConstants):
    """The pixel operations of a tower that cuts images into patches itself."""

    @property
    def resize(self) -> Resize:
        """[f, 3, H, W] uint8 on the CPU to a size, equal bit for bit to the processor's result."""
        return partial(resize_exact, mode=self.resample)

    def resize_on_device(self, pixels: Tensor, size: tuple[int, int]) -> Tensor:
        """Resize on any device, rarely one level off."""
        return resize_approximate(pixels, size, self.resample)

    def patchify(self, pixels: Tensor) -> Tensor:
        """Normalise uint8 frames [f, 3, H, W] to images in float32 of the same shape."""
        mean, std = (value.to(pixels.device).view(3, 1, 1) for value in (self.mean, self.std))
        return pixels.float().sub_(mean).div_(std)


def image_pixels(processor: Any, *, model: str) -> ImagePixels:
    """Take the constants from a video processor; raises ModelError for an unknown resampling."""
    mode = RESAMPLE_MODES.get(int(processor.resample))
    if mode is None:
        raise ModelError(
            f"{model}: resampling {processor.resample!r} is not supported; use bilinear or bicubic"
        )
    return ImagePixels(
        patch_size=int(processor.patch_size),
        merge_size=int(processor.merge_size),
        resample=mode,
        mean=channel_constants(processor.image_mean, processor.rescale_factor),
        std=channel_constants(processor.image_std, processor.rescale_factor),
    )
