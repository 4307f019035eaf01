"""The size of a video's frames: the processor's own rule, maybe with other numbers.

The rule is the `resize` of the installed transformers class, called and never copied. What classes
mean by their numbers differs: the edges are pixels of a frame for Qwen2-VL's and of all frames of
the video for Qwen3-VL's. Here `--min-pixels` and `--max-pixels` are always those of a frame and
`--total-pixels` those of the video.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import torch
from transformers.image_utils import SizeDict
from transformers.video_processing_utils import BaseVideoProcessor

from evscli.errors import UsageError
from evscli.records import Sampling

OF_VIDEO = "Qwen3VLVideoProcessor"
"""The class whose edges bound all frames of a video together."""


def size_by_rule(processor: Any, asked: Sampling, frames: int, frame: tuple[int, int]) -> Any:
    """(height, width) by the class's rule for `frames` frames of (height, width) `frame`.

    `processor` is one made by `size_only`. Raises what the class raises for a shape it refuses.
    """
    size, cap = processor.size, processor.cap_pixels_per_frame
    if (asked.min_pixels, asked.max_pixels, asked.total_pixels) != (None, None, None):
        size, cap = edges_asked(processor, asked, frames)
    return processor.resize(
        videos=torch.empty((1, frames, 3, *frame), device="meta"),
        size=size,
        resample=processor.resample,
        factor=processor.patch_size * processor.merge_size,
        temporal_factor=processor.temporal_patch_size,
        cap_pixels_per_frame=cap,
    )


def edges_asked(processor: Any, asked: Sampling, frames: int) -> tuple[SizeDict, bool]:
    """The edges that say what is asked of `frames` frames, and whether the class's cap stays.

    What is not asked for stays as the checkpoint has it. The most that a frame or a video may have
    goes before the least.
    """
    least, most = processor.size.shortest_edge, processor.size.longest_edge
    if type(processor).__name__ != OF_VIDEO:
        return _edges_of_frame(processor, asked, frames, least, most)
    patch = processor.temporal_patch_size
    # The class may count an odd frame as a whole temporal patch or not at all.
    whole, begun = frames // patch * patch, -(-frames // patch) * patch
    if asked.min_pixels is not None:
        least = asked.min_pixels * begun
    of_frame = _cap(processor) if asked.max_pixels is None else asked.max_pixels
    most = min(most if asked.total_pixels is None else asked.total_pixels, of_frame * whole)
    return SizeDict(shortest_edge=min(least, most), longest_edge=most), False


def _edges_of_frame(
    processor: Any, asked: Sampling, frames: int, least: float, most: float
) -> tuple[SizeDict, bool]:
    cap = bool(processor.cap_pixels_per_frame)
    least = least if asked.min_pixels is None else asked.min_pixels
    most = most if asked.max_pixels is None else asked.max_pixels
    if asked.total_pixels is not None:
        most, cap = min(most, asked.total_pixels // frames), False
    # The cap never goes below 1.05 of the least.
    return SizeDict(shortest_edge=min(least, most / 1.05 if cap else most), longest_edge=most), cap


def check_pixels(asked: Sampling, *, token: int) -> None:
    """Raise UsageError for a most that is less than the `token` pixels of one token."""
    for option, value in (("max", asked.max_pixels), ("total", asked.total_pixels)):
        if value is not None and value < token:
            raise UsageError(
                f"--{option}-pixels {value} is less than one token of this model has ({token} "
                f"pixels); give more, such as --{option}-pixels {256 * token}"
            )


def size_only(processor: Any) -> Any:
    """A processor of the same class and values whose `resize` returns the size it would resize to.

    The class's own `resize` decides on a size and hands it to its base class; a class in between
    catches it there.
    """
    between = type("_SizeOnly", (BaseVideoProcessor,), {"resize": _target_size})
    sized = copy(processor)
    sized.__class__ = type(type(processor).__name__, (type(processor), between), {})
    return sized


def _cap(processor: Any) -> float:
    """Most pixels of a frame that Qwen3-VL's class caps it at, where it does."""
    if not processor.cap_pixels_per_frame:
        return float("inf")
    factor = processor.patch_size * processor.merge_size
    return float(processor.max_video_tokens * factor * factor)


def _target_size(_self: Any, *, size: Any, **_ignored: Any) -> tuple[int, int]:
    return int(size.height), int(size.width)
