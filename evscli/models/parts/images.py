"""Frames to images, for towers that cut these into patches themselves."""

from __future__ import annotations

from typing import Any

import torch
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


def cut_patches(
    images: Tensor, grid_hw: tuple[int, int], side: int, rows: Tensor, *, before: int = 0
) -> Tensor:
    """Cut the patches of some rows, of `side` pixels, out of images [T, c, H, W]: [K, c, p, p].

    `rows [K]` are places in T*S, of the patches of the grid in raster order behind `before` tokens
    that are not cut. For a row of one of these the result is the first patch.
    """
    size = before + grid_hw[0] * grid_hw[1]
    place = (rows % size - before).clamp(min=0)
    seen = images[..., : grid_hw[0] * side, : grid_hw[1] * side]
    split = seen.reshape(*images.shape[:2], grid_hw[0], side, grid_hw[1], side)
    by_patch = split.permute(0, 2, 4, 1, 3, 5)
    return by_patch[rows // size, place // grid_hw[1], place % grid_hw[1]]


def with_first(states: Tensor, first: Tensor, place: Tensor) -> Tensor:
    """Put the tokens `first [n, C]` before all patches in the place of states [K, C].

    `place [K]` are the places of the states in their frames.
    """
    own = first[place.clamp(max=len(first) - 1)]
    return torch.where((place < len(first))[:, None], own, states)
