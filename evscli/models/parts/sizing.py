"""The size of a video's frames: the processor's own rule, maybe with other numbers.

The rule is the `resize` of the installed transformers class, called and never copied. What classes
mean by their numbers differs: the edges are pixels of a frame for Qwen2-VL's and of all frames of
the video for Qwen3-VL's. Here `--min-pixels` and `--max-pixels` are always those of a frame and
`--total-pixels` those of the video. What is not asked for stays as the checkpoint has it, and the
most that the video or a frame may have goes before the least.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from math import inf
from typing import Any

import torch
from transformers.image_utils import SizeDict
from transformers.video_processing_utils import BaseVideoProcessor

from evscli.errors import UsageError
from evscli.records import Sampling

OF_VIDEO = "Qwen3VLVideoProcessor"
"""The class whose edges bound all frames of a video together."""


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """The numbers that the class's rule is called with."""

    frames: int
    shortest_edge: float
    longest_edge: float
    cap: bool
    """Whether the class caps frames by its `max_video_tokens` as well."""


def size_by_rule(processor: Any, asked: Sampling, frames: int, frame: tuple[int, int]) -> Any:
    """(height, width) by the class's rule for `frames` frames of (height, width) `frame`.

    `processor` is one made by `size_only`. Raises what the class raises for a shape it refuses.
    """
    numbers = numbers_asked(processor, asked, frames)
    return processor.resize(
        videos=torch.empty((1, numbers.frames, 3, *frame), device="meta"),
        size=SizeDict(shortest_edge=numbers.shortest_edge, longest_edge=numbers.longest_edge),
        resample=processor.resample,
        factor=processor.patch_size * processor.merge_size,
        temporal_factor=processor.temporal_patch_size,
        cap_pixels_per_frame=numbers.cap,
    )


def numbers_asked(processor: Any, asked: Sampling, frames: int) -> Numbers:
    """The checkpoint's numbers for `frames` frames, changed to what is asked of them."""
    if (asked.min_pixels, asked.max_pixels, asked.total_pixels) == (None, None, None):
        size, cap = processor.size, bool(processor.cap_pixels_per_frame)
        return Numbers(
            frames=frames,
            shortest_edge=size.shortest_edge,
            longest_edge=size.longest_edge,
            cap=cap,
        )
    if type(processor).__name__ == OF_VIDEO:
        return _numbers_of_video(processor, asked, frames)
    return _numbers_of_frame(processor, asked, frames)


def check_pixels(processor: Any, asked: Sampling) -> None:
    """Raise UsageError for numbers of pixels that the model's tokens or frames cannot have."""
    token = (processor.patch_size * processor.merge_size) ** 2
    for name, value in (("max", asked.max_pixels), ("total", asked.total_pixels)):
        if value is not None and value < token:
            raise UsageError(
                f"--{name}-pixels {value} is less than one token of this model has ({token} "
                f"pixels); give more, such as --{name}-pixels {256 * token}"
            )
    most = most_of_frame(processor) if asked.max_pixels is None else asked.max_pixels
    if asked.min_pixels is not None and asked.min_pixels > most:
        raise UsageError(
            f"--min-pixels {asked.min_pixels} is more than this model's processor lets a frame "
            f"have ({most:.0f} pixels); give --max-pixels too, or less"
        )


def most_of_frame(processor: Any) -> float:
    """Pixels of a frame that a checkpoint's own values bound it by, infinite where none do."""
    if type(processor).__name__ != OF_VIDEO:
        return float(processor.size.longest_edge)
    if not processor.cap_pixels_per_frame:
        return inf
    return float(processor.max_video_tokens * (processor.patch_size * processor.merge_size) ** 2)


def size_only(processor: Any) -> Any:
    """A processor of the same class and values whose `resize` returns the size it would resize to.

    The class's own `resize` decides on a size and hands it to its base class; a class in between
    catches it there.
    """
    between = type("_SizeOnly", (BaseVideoProcessor,), {"resize": _target_size})
    sized = copy(processor)
    sized.__class__ = type(type(processor).__name__, (type(processor), between), {})
    return sized


def _numbers_of_video(processor: Any, asked: Sampling, frames: int) -> Numbers:
    if (asked.min_pixels, asked.max_pixels) != (None, None):
        # The class counts an odd frame as a temporal patch or not at all: what is asked of a frame
        # holds where the class is given the whole patches that frames become.
        frames += -frames % processor.temporal_patch_size
    least, most = processor.size.shortest_edge, processor.size.longest_edge
    of_frame = most_of_frame(processor) if asked.max_pixels is None else asked.max_pixels
    if asked.min_pixels is not None:
        least = asked.min_pixels * frames
    most = min(most if asked.total_pixels is None else asked.total_pixels, of_frame * frames)
    return Numbers(frames=frames, shortest_edge=min(least, most), longest_edge=most, cap=False)


def _numbers_of_frame(processor: Any, asked: Sampling, frames: int) -> Numbers:
    least, most = processor.size.shortest_edge, processor.size.longest_edge
    cap = bool(processor.cap_pixels_per_frame)
    least = least if asked.min_pixels is None else asked.min_pixels
    most = most if asked.max_pixels is None else asked.max_pixels
    if asked.total_pixels is not None:
        most, cap = min(most, asked.total_pixels // frames), False
    # The cap never goes below 1.05 of the least.
    least = min(least, most / 1.05 if cap else most)
    return Numbers(frames=frames, shortest_edge=least, longest_edge=most, cap=cap)


def _target_size(_self: Any, *, size: Any, **_ignored: Any) -> tuple[int, int]:
    return int(size.height), int(size.width)
