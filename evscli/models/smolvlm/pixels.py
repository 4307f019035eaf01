"""Frames to images as SmolVLM2's video processor makes them: resized twice, to a square at last."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor

from evscli.models.contract import Resize
from evscli.models.parts.images import ImagePixels
from evscli.models.parts.pixels import (
    channel_constants,
    resample_mode,
    resize_approximate,
    resize_exact,
)

LONGEST = 4096
"""The pixels that the class lets a side have at most."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SmolPixels(ImagePixels):
    """The pixel operations that a SmolVLM2 checkpoint asks for."""

    longest: int
    """The longer side of a frame in pixels before it becomes a square."""

    @property
    def resize(self) -> Resize:
        """[f, 3, H, W] uint8 on the CPU to a size, equal bit for bit to the processor's result."""
        return partial(resize_twice, longest=self.longest, mode=self.resample)

    def resize_on_device(self, pixels: Tensor, size: tuple[int, int]) -> Tensor:
        """Resize on any device; each of the two steps is rarely off."""
        between = resize_approximate(pixels, size_between(pixels, self.longest), self.resample)
        return resize_approximate(between, size, self.resample)


def smol_pixels(processor: Any, *, model: str) -> SmolPixels:
    """Take the constants from a video processor; raises ModelError for an unknown resampling."""
    return SmolPixels(
        patch_size=int(processor.patch_size),
        merge_size=int(processor.merge_size),
        resample=resample_mode(processor, model=model),
        mean=channel_constants(processor.image_mean, processor.rescale_factor),
        std=channel_constants(processor.image_std, processor.rescale_factor),
        longest=min(int(processor.size["longest_edge"]), LONGEST),
    )


def resize_twice(pixels: Tensor, size: tuple[int, int], *, longest: int, mode: str) -> Tensor:
    """Resize [f, 3, H, W] uint8 on the CPU so that the longer side is `longest`, and to `size`."""
    return resize_exact(resize_exact(pixels, size_between(pixels, longest), mode), size, mode)


def size_between(pixels: Tensor, longest: int) -> tuple[int, int]:
    """Return (height, width) of the shape of frames, of which the longer side is `longest`.

    The other is an even number, but for a frame that is too thin for one.
    """
    height, width = pixels.shape[-2:]
    ratio = width / height
    if width >= height:
        return even(int(longest / ratio)), longest
    return longest, even(int(longest * ratio))


def even(pixels: int) -> int:
    """Return the next even number, or 1 for none."""
    return max(pixels + pixels % 2, 1)
