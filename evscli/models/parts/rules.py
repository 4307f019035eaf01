"""The choice of frames and of their size by the rules of a checkpoint's own processor.

The rules are those of the installed transformers class, called and never copied: they changed
between releases. What classes mean by their numbers of pixels differs: the edges are pixels of a
frame for Qwen2-VL's and of all frames of the video for Qwen3-VL's; of VideoLLaMA3's the shortest
is of a frame, and the longest of all of them. Here `--min-pixels` and
`--max-pixels` are always those of a frame and `--total-pixels` those of the video. What is not
asked for stays as the checkpoint has it, and the most that the video or a frame may have goes
before the least.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import numpy as np
import torch
from transformers.image_utils import SizeDict
from transformers.video_processing_utils import BaseVideoProcessor
from transformers.video_utils import VideoMetadata

from evscli.errors import UsageError, VideoError
from evscli.records import FloatArray, IntArray, Sampling

OF_VIDEO = "Qwen3VLVideoProcessor"
"""The class whose edges bound all frames of a video together."""

OF_BOTH = "VideoLlama3VideoProcessor"
"""The class whose shortest edge bounds a frame, and whose longest all frames together."""


class ProcessorRules:
    """Sampling and sizing of one checkpoint under one `Sampling`."""

    def __init__(self, processor: Any, asked: Sampling, own_fps: float | None = None) -> None:
        """Take the rules of `processor`, a video processor of transformers, which stays as it is.

        `own_fps` is the rate of a family whose processor samples nothing by itself. Raises
        UsageError for what no video could be sampled by.
        """
        self.sampling = resolve_sampling(processor, asked, own_fps)
        self.takes_all = takes_all(processor, asked, own_fps)
        if self.takes_all and asked.by == "time":
            raise UsageError(
                "this model's processor takes every frame, and instants need a number: give --fps "
                "or --num-frames beside --sample-by time"
            )
        self.patch_size = int(processor.patch_size)
        self.temporal_patch_size = int(processor.temporal_patch_size)
        self.merge_size = int(processor.merge_size)
        check_pixels(processor, asked)
        self._processor = size_only(processor)
        # What is set here would come back as a default beside what `sample` asks for.
        self._processor.fps = self._processor.num_frames = None
        self._processor.max_frames = self.sampling.max_frames
        if not self.takes_all and self.sampling.fps is self.sampling.num_frames is None:
            self._check_rate_is_optional()

    def sample(self, frames: int, fps: float) -> IntArray:
        """Return [F] frame numbers out of `frames` shown at `fps` on average.

        Raises VideoError where the processor's rule gives none, as for too short a video.
        """
        most = self.sampling.max_frames
        count = self.sampling.num_frames
        if self.takes_all:
            count = min(frames, most or frames)
            if count == frames:
                return np.arange(frames)
        metadata = VideoMetadata(total_num_frames=frames, fps=fps)
        wanted = {"fps": self.sampling.fps, "num_frames": count}
        try:
            index = np.asarray(self._processor.sample_frames(metadata, **wanted), dtype=np.int64)
        except ZeroDivisionError as error:  # fewer frames than a patch, rounded down to none
            reason = f"it takes whole patches of {self.temporal_patch_size} frames"
            raise VideoError(self._cannot_sample(frames, fps, reason), stage="plan") from error
        except ValueError as error:
            raise VideoError(self._cannot_sample(frames, fps, str(error)), stage="plan") from error
        # Classes step in float32, and rounding may take one step more, past the last frame.
        index = index[index < frames]
        if not index.size:
            raise VideoError(self._cannot_sample(frames, fps, "none chosen"), stage="plan")
        return index

    def resized_size(self, frames: int, height: int, width: int) -> tuple[int, int]:
        """Return (height, width) in pixels for `frames` sampled frames of `height` x `width`.

        Fewer frames than a temporal patch are sized as a whole patch, because the last frame is
        repeated to fill it. Raises VideoError where the rule refuses the shape.
        """
        return size_in_patches(self._processor, self.sampling, frames, (height, width))

    def cells(self, height: int, width: int) -> tuple[int, int]:
        """Return (h, w) of the tokens of a temporal patch of resized frames."""
        cell = self.patch_size * self.merge_size
        return height // cell, width // cell

    def prompt_times(self, source_index: IntArray, fps: float) -> FloatArray:
        """Return [T] seconds: index / fps, first and last of each temporal patch averaged.

        Prompts of Qwen3-VL hold these timestamps; for families without timestamps they only inform.
        """
        missing = -len(source_index) % self.temporal_patch_size
        times = np.pad(source_index, (0, missing), mode="edge") / fps
        patches = times.reshape(-1, self.temporal_patch_size)
        averaged: FloatArray = (patches[:, 0] + patches[:, -1]) / 2
        return averaged

    def _check_rate_is_optional(self) -> None:
        try:
            self._processor.sample_frames(VideoMetadata(total_num_frames=100, fps=25.0))
        except TypeError as error:
            raise UsageError(
                "the model's processor has neither fps nor num_frames; give --fps or --num-frames"
            ) from error

    def _cannot_sample(self, frames: int, fps: float, reason: str) -> str:
        wanted = self.sampling
        rate = "frames" if wanted.fps is None else f"{wanted.fps:g} frames per second"
        what = rate if wanted.num_frames is None else f"{wanted.num_frames} frames"
        return (
            f"the model's processor cannot take {what}, at most {wanted.max_frames}, from "
            f"{frames} frames at {fps:g} per second ({reason}); use a longer video or change "
            "--fps, --num-frames or --max-frames"
        )


def takes_all(processor: Any, asked: Sampling, own_fps: float | None) -> bool:
    """Return whether all frames are taken: the processor's sampling is off, and none asked for."""
    named = asked.fps is not None or asked.num_frames is not None
    return not named and own_fps is None and not processor.do_sample_frames


def resolve_sampling(processor: Any, asked: Sampling, own_fps: float | None) -> Sampling:
    """Complete `asked` by the checkpoint's values.

    A number of frames the checkpoint names wins over a rate, which is mostly a class default. With
    neither the class decides, or every frame is taken.
    """
    if takes_all(processor, asked, own_fps):
        return asked
    most = asked.max_frames if asked.max_frames is not None else int(processor.max_frames)
    if asked.fps is not None:
        return replace(asked, fps=float(asked.fps), max_frames=most)
    count = asked.num_frames if asked.num_frames is not None else processor.num_frames
    if count is not None:
        limit = count if asked.max_frames is None else asked.max_frames
        return replace(asked, num_frames=min(int(count), limit), max_frames=most)
    fps = processor.fps or own_fps
    return replace(asked, fps=None if fps is None else float(fps), max_frames=most)


@dataclass(frozen=True, kw_only=True)
class SizeNumbers:
    """The numbers that the class's rule is called with."""

    frames: int
    shortest_edge: float
    longest_edge: float
    cap: bool
    """Whether the class caps frames by its `max_video_tokens` as well."""


def size_in_patches(
    processor: Any, asked: Sampling, frames: int, frame: tuple[int, int]
) -> tuple[int, int]:
    """Return (height, width) by the class's rule for a temporal patch of frames at least.

    Raises VideoError where the rule refuses the shape.
    """
    frames, (height, width) = max(frames, int(processor.temporal_patch_size)), frame
    try:
        size: tuple[int, int] = size_by_rule(processor, asked, frames, frame)
    except ValueError as error:
        raise VideoError(
            f"the model's processor cannot size {frames} frames of {width}x{height} pixels "
            f"({error}); crop or scale the video first",
            stage="plan",
        ) from error
    return size


def size_by_rule(processor: Any, asked: Sampling, frames: int, frame: tuple[int, int]) -> Any:
    """Return (height, width) by the class's rule for `frames` frames of (height, width) `frame`.

    `processor` is one made by `size_only`. Raises what the class raises for a shape it refuses.
    """
    numbers = numbers_asked(processor, asked, frames)
    size = sized(processor, numbers, frame)
    is_asked = (asked.max_pixels, asked.total_pixels) != (None, None)
    of_both = type(processor).__name__ == OF_BOTH
    if is_asked and of_both and numbers.frames * size[0] * size[1] > numbers.longest_edge:
        # The class rounds up what a frame must have at least, maybe beyond what it may have.
        size = sized(processor, replace(numbers, shortest_edge=1), frame)
    return size


def sized(processor: Any, numbers: SizeNumbers, frame: tuple[int, int]) -> Any:
    """Return (height, width) by the class's rule, called with `numbers`."""
    return processor.resize(
        videos=torch.empty((1, numbers.frames, 3, *frame), device="meta"),
        size=SizeDict(shortest_edge=numbers.shortest_edge, longest_edge=numbers.longest_edge),
        resample=processor.resample,
        factor=processor.patch_size * processor.merge_size,
        temporal_factor=processor.temporal_patch_size,
        cap_pixels_per_frame=numbers.cap,
    )


def numbers_asked(processor: Any, asked: Sampling, frames: int) -> SizeNumbers:
    """Return the checkpoint's numbers for `frames` frames, changed to what is asked of them."""
    if (asked.min_pixels, asked.max_pixels, asked.total_pixels) == (None, None, None):
        size, cap = processor.size, bool(getattr(processor, "cap_pixels_per_frame", False))
        return SizeNumbers(
            frames=frames,
            shortest_edge=size.shortest_edge,
            longest_edge=size.longest_edge,
            cap=cap,
        )
    if type(processor).__name__ == OF_VIDEO:
        return _numbers_of_video(processor, asked, frames)
    if type(processor).__name__ == OF_BOTH:
        return _numbers_of_both(processor, asked, frames)
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
    """Return the most pixels that a checkpoint's own values allow a frame, or infinity."""
    if type(processor).__name__ != OF_VIDEO:
        return float(processor.size.longest_edge)
    if not processor.cap_pixels_per_frame:
        return inf
    return float(processor.max_video_tokens * (processor.patch_size * processor.merge_size) ** 2)


def size_only(processor: Any) -> Any:
    """Return a processor of the same class and values whose `resize` returns only the size.

    The class's own `resize` decides on a size and hands it to its base class; a class in between
    catches it there.
    """
    between = type("_SizeOnly", (BaseVideoProcessor,), {"resize": _target_size})
    sized = copy(processor)
    sized.__class__ = type(type(processor).__name__, (type(processor), between), {})
    return sized


def _numbers_of_video(processor: Any, asked: Sampling, frames: int) -> SizeNumbers:
    if (asked.min_pixels, asked.max_pixels) != (None, None):
        # The class counts an odd frame as a temporal patch or not at all: what is asked of a frame
        # holds where the class is given the whole patches that frames become.
        frames += -frames % processor.temporal_patch_size
    least, most = processor.size.shortest_edge, processor.size.longest_edge
    of_frame = most_of_frame(processor) if asked.max_pixels is None else asked.max_pixels
    if asked.min_pixels is not None:
        least = asked.min_pixels * frames
    most = min(most if asked.total_pixels is None else asked.total_pixels, of_frame * frames)
    return SizeNumbers(frames=frames, shortest_edge=min(least, most), longest_edge=most, cap=False)


def _numbers_of_frame(processor: Any, asked: Sampling, frames: int) -> SizeNumbers:
    least, most = processor.size.shortest_edge, processor.size.longest_edge
    cap = bool(processor.cap_pixels_per_frame)
    least = least if asked.min_pixels is None else asked.min_pixels
    most = most if asked.max_pixels is None else asked.max_pixels
    if asked.total_pixels is not None:
        most, cap = min(most, asked.total_pixels // frames), False
    # The cap never goes below 1.05 of the least.
    least = min(least, most / 1.05 if cap else most)
    return SizeNumbers(frames=frames, shortest_edge=least, longest_edge=most, cap=cap)


def _numbers_of_both(processor: Any, asked: Sampling, frames: int) -> SizeNumbers:
    least, most = processor.size.shortest_edge, processor.size.longest_edge
    least = least if asked.min_pixels is None else asked.min_pixels
    most = most if asked.total_pixels is None else asked.total_pixels
    most = most if asked.max_pixels is None else min(most, asked.max_pixels * frames)
    most = max(most, frames)  # the class divides by what a frame may have
    # It makes frames larger than they may be rather than smaller than they must be.
    least = least if least <= most // frames else 1
    return SizeNumbers(frames=frames, shortest_edge=least, longest_edge=most, cap=False)


def _target_size(_self: Any, *, size: Any, **_ignored: Any) -> tuple[int, int]:
    return int(size.height), int(size.width)
