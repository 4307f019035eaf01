"""The choice of frames by the rules of a Molmo2 checkpoint's own processor, at one square size.

The processor's class has a number of frames and a highest rate at once, and no limits; the rest is
as for other families.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
from transformers.video_utils import VideoMetadata

from evscli.errors import UsageError, VideoError
from evscli.models.parts.rules import takes_all
from evscli.records import FloatArray, IntArray, Sampling


class Molmo2Rules:
    """Sampling and sizing of one checkpoint under one `Sampling`."""

    temporal_patch_size = 1

    def __init__(self, processor: Any, asked: Sampling, own_fps: float | None = None) -> None:
        """Take the rules of `processor`, a video processor of transformers, which stays as it is.

        Raises UsageError for what no video could be sampled by, and for numbers of pixels.
        """
        self.takes_all = takes_all(processor, asked, own_fps)
        self.sampling = asked if self.takes_all else resolve_sampling(processor, asked)
        self.patch_size = int(processor.patch_size)
        self.merge_size = int(processor.pooling_size[0])
        self._size = (int(processor.size["height"]), int(processor.size["width"]))
        _refuse_pixels(asked, self._size)
        self._processor = processor
        self._at_any_rate = copy(processor)
        self._at_any_rate.max_fps = None

    def sample(self, frames: int, fps: float) -> IntArray:
        """Return [F] frame numbers out of `frames` shown at `fps` on average.

        They are at most `num_frames`, at the processor's rate or less, unless a rate is asked for.
        """
        metadata = VideoMetadata(total_num_frames=frames, fps=fps)
        if self.takes_all:
            chosen = self._at_any_rate.sample_frames(
                metadata, num_frames=self.sampling.max_frames or frames
            )
        elif self.sampling.fps is None:
            chosen = self._processor.sample_frames(metadata, num_frames=self.sampling.num_frames)
        else:
            chosen = self._processor.sample_frames(metadata, fps=self.sampling.fps)
            most = self.sampling.max_frames
            if most is not None and len(chosen) > most:
                chosen = self._at_any_rate.sample_frames(metadata, num_frames=most)
        index = np.asarray(chosen, dtype=np.int64)
        # The class steps in float32, and rounding may take one step more, past the last frame.
        index = index[index < frames]
        if not index.size:
            raise VideoError(
                f"the model's processor chooses no frame of {frames} at {fps:g} per second; use a "
                "longer video or change --fps, --num-frames or --max-frames",
                stage="plan",
            )
        return index

    def resized_size(self, frames: int, height: int, width: int) -> tuple[int, int]:
        """Return (height, width) in pixels: the same for every video."""
        del frames, height, width
        return self._size

    def cells(self, height: int, width: int) -> tuple[int, int]:
        """Return (h, w) of the tokens of a temporal patch of resized frames."""
        cell = self.patch_size * self.merge_size
        return height // cell, width // cell

    def prompt_times(self, source_index: IntArray, fps: float) -> FloatArray:
        """Return [T] seconds: index / fps."""
        times: FloatArray = source_index / fps
        return times


def resolve_sampling(processor: Any, asked: Sampling) -> Sampling:
    """Complete `asked` by the checkpoint's values, so that either fps or num_frames is set."""
    if asked.fps is not None:
        return replace(asked, fps=float(asked.fps))
    count = int(asked.num_frames or processor.num_frames)
    limit = count if asked.max_frames is None else asked.max_frames
    return replace(asked, num_frames=min(count, limit))


def _refuse_pixels(asked: Sampling, size: tuple[int, int]) -> None:
    for name in ("min_pixels", "max_pixels", "total_pixels"):
        if getattr(asked, name) is not None:
            option = name.replace("_", "-")
            raise UsageError(
                f"--{option} says nothing to this model, which sees every frame at "
                f"{size[1]}x{size[0]} pixels; leave it out, and use --max-frames for fewer tokens"
            )
