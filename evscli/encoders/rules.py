"""Which frames a checkpoint wants and at what size, by its own processor's rules.

The rules are those of the installed transformers class, called and never copied: they changed
between releases. Knows no video file and no pixel.
"""

from __future__ import annotations

from copy import copy
from typing import Any, get_args

import numpy as np
import torch
from transformers.video_processing_utils import BaseVideoProcessor
from transformers.video_utils import VideoMetadata

from evscli.errors import UsageError, VideoError
from evscli.records import FloatArray, IntArray, SampleBy, Sampling

DEFAULT_FPS = 2.0
"""Frames per second where a checkpoint names no sampling, as Qwen2.5-VL: the family's own rate."""


class ProcessorRules:
    """Sampling and sizing of one checkpoint under one `Sampling`."""

    def __init__(self, processor: Any, asked: Sampling) -> None:
        """`processor` is a video processor of transformers, which stays as it is."""
        check_sampling(asked)
        self.sampling = resolve_sampling(processor, asked)
        self.patch_size = int(processor.patch_size)
        self.temporal_patch_size = int(processor.temporal_patch_size)
        self.merge_size = int(processor.merge_size)
        self._processor = _size_only(processor)
        # What is set here would come back as a default beside what `sample` asks for.
        self._processor.fps = self._processor.num_frames = None
        self._processor.max_frames = self.sampling.max_frames

    def sample(self, frames: int, fps: float) -> IntArray:
        """[F] frame numbers out of `frames` shown at `fps` on average.

        Raises VideoError where the processor's rule gives none, as for too short a video.
        """
        metadata = VideoMetadata(total_num_frames=frames, fps=fps)
        wanted = {"fps": self.sampling.fps, "num_frames": self.sampling.num_frames}
        try:
            index = np.asarray(self._processor.sample_frames(metadata, **wanted), dtype=np.int64)
        except ZeroDivisionError as error:  # fewer frames than a patch, rounded down to none
            reason = f"it takes whole patches of {self.temporal_patch_size} frames"
            raise VideoError(self._cannot_sample(frames, fps, reason), stage="plan") from error
        except ValueError as error:
            raise VideoError(self._cannot_sample(frames, fps, str(error)), stage="plan") from error
        if not index.size:
            raise VideoError(self._cannot_sample(frames, fps, "none chosen"), stage="plan")
        return index

    def resized_size(self, frames: int, height: int, width: int) -> tuple[int, int]:
        """(height, width) in pixels for `frames` sampled frames of `height` x `width`.

        Fewer frames than a temporal patch are sized as a whole patch, because the last frame is
        repeated to fill it. Raises VideoError where the rule refuses the shape.
        """
        processor = self._processor
        frames = max(frames, self.temporal_patch_size)
        try:
            size: tuple[int, int] = processor.resize(
                videos=torch.empty((1, frames, 3, height, width), device="meta"),
                size=processor.size,
                resample=processor.resample,
                factor=self.patch_size * self.merge_size,
                temporal_factor=self.temporal_patch_size,
                cap_pixels_per_frame=getattr(processor, "cap_pixels_per_frame", None),
            )
        except ValueError as error:
            raise VideoError(
                f"the model's processor cannot size {frames} frames of {width}x{height} pixels "
                f"({error}); crop or scale the video first",
                stage="plan",
            ) from error
        return size

    def prompt_times(self, source_index: IntArray, fps: float) -> FloatArray:
        """[T] seconds: index / fps, first and last of each temporal patch averaged.

        The timestamps of Qwen3-VL prompts; for families without timestamps they only inform.
        """
        missing = -len(source_index) % self.temporal_patch_size
        times = np.pad(source_index, (0, missing), mode="edge") / fps
        patches = times.reshape(-1, self.temporal_patch_size)
        averaged: FloatArray = (patches[:, 0] + patches[:, -1]) / 2
        return averaged

    def _cannot_sample(self, frames: int, fps: float, reason: str) -> str:
        wanted = (
            f"{self.sampling.num_frames} frames"
            if self.sampling.num_frames is not None
            else f"{self.sampling.fps:g} frames per second"
        )
        return (
            f"the model's processor cannot take {wanted}, at most {self.sampling.max_frames}, from "
            f"{frames} frames at {fps:g} per second ({reason}); use a longer video or change "
            "--fps, --num-frames or --max-frames"
        )


def check_sampling(asked: Sampling) -> None:
    """Raise UsageError for values no video could be sampled with."""
    if asked.fps is not None and asked.num_frames is not None:
        raise UsageError("--fps and --num-frames exclude each other; give one of them")
    if asked.fps is not None and not 0 < asked.fps < float("inf"):
        raise UsageError(f"--fps must be a number above 0, got {asked.fps}; try --fps 2")
    if asked.by not in get_args(SampleBy):
        known = ", ".join(get_args(SampleBy))
        raise UsageError(f"frames can be sampled by {known}, not by {asked.by!r}")
    for option, value in (("num-frames", asked.num_frames), ("max-frames", asked.max_frames)):
        if value is not None and value < 1:
            raise UsageError(f"--{option} must be at least 1, got {value}; try --{option} 32")


def resolve_sampling(processor: Any, asked: Sampling) -> Sampling:
    """What was asked, completed by the checkpoint's values; either fps or num_frames is set.

    A number of frames the checkpoint names wins over a rate, which is mostly a class default.
    """
    max_frames = asked.max_frames if asked.max_frames is not None else int(processor.max_frames)
    if asked.fps is not None:
        return Sampling(fps=float(asked.fps), max_frames=max_frames, by=asked.by)
    count = asked.num_frames if asked.num_frames is not None else processor.num_frames
    if count is None:
        return Sampling(fps=float(processor.fps or DEFAULT_FPS), max_frames=max_frames, by=asked.by)
    limit = count if asked.max_frames is None else asked.max_frames
    return Sampling(num_frames=min(int(count), limit), max_frames=max_frames, by=asked.by)


def _size_only(processor: Any) -> Any:
    """A processor of the same class and values whose `resize` returns the size it would resize to.

    The class's own `resize` decides on a size and hands it to its base class; a class in between
    catches it there.
    """
    between = type("_SizeOnly", (BaseVideoProcessor,), {"resize": _target_size})
    sized = copy(processor)
    sized.__class__ = type(type(processor).__name__, (type(processor), between), {})
    return sized


def _target_size(_self: Any, *, size: Any, **_ignored: Any) -> tuple[int, int]:
    return int(size.height), int(size.width)
