"""Frames to images, for towers that cut these into patches themselves."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from evscli.models.parts.pixels import QwenPixels, channel_constants, resample_mode


class ImagePixels(QwenPixels):
    """The pixel operations of a tower that cuts images into patches itself."""

    def patchify(self, pixels: Tensor) -> Tensor:
        """Normalise uint8 frames [f, 3, H, W] to images in float32 of the same shape."""
        mean, std = (value.view(3, 1, 1) for value in self.scale_on(pixels.device))
        return pixels.float().sub_(mean).div_(std)


def image_pixels(processor: Any, *, model: str) -> ImagePixels:
    """Take the constants from a video processor; raises ModelError for an unknown resampling."""
    mode = resample_mode(processor, model=model)
    return ImagePixels(
        patch_size=int(processor.patch_size),
        merge_size=int(processor.merge_size),
        resample=mode,
        mean=channel_constants(processor.image_mean, processor.rescale_factor),
        std=channel_constants(processor.image_std, processor.rescale_factor),
    )
