"""The choice of frames by the rules of a SmolVLM2 checkpoint's own processor, at one square size.

The class has a rate and a largest number of frames at once, and leaves out a second at either end
of a video that is too long for them.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
from transformers.video_utils import VideoMetadata

from evscli.models.parts.fixed_size import FixedSizeRules
from evscli.records import IntArray, Sampling

RATE, MOST = 1, 64
"""Frames per second, and the most of them, that published checkpoints have."""


class SmolRules(FixedSizeRules):
    """Sampling and sizing of one checkpoint under one `Sampling`."""

    own_frames = MOST

    def __init__(self, processor: Any, asked: Sampling, own_fps: float | None = None) -> None:
        """Take the rules of `processor`, a video processor of transformers, which stays as it is.

        Raises UsageError for numbers of pixels, which no frame here can have.
        """
        side = int(processor.max_image_size["longest_edge"])
        squaring = copy(processor)
        squaring.size = {"height": side, "width": side}
        super().__init__(squaring, asked, own_fps)
        self.sampling = resolve_sampling(processor, asked)
        self.own_rate = float(processor.fps or RATE)

    def sample(self, frames: int, fps: float) -> IntArray:
        """Return [F] frame numbers out of `frames` shown at `fps` on average.

        A number that is asked for is reached at a higher rate than the checkpoint's, if need be.
        """
        asked, seconds = self.sampling, frames / fps
        most, rate = asked.max_frames, asked.fps
        if asked.num_frames is not None:
            most, rate = asked.num_frames, max(self.own_rate, asked.num_frames / seconds)
        about = VideoMetadata(total_num_frames=frames, fps=fps, duration=seconds)
        chosen = self._processor.sample_frames(about, num_frames=most, fps=rate)
        return np.asarray(chosen, dtype=np.int64)


def resolve_sampling(processor: Any, asked: Sampling) -> Sampling:
    """Complete `asked` by the checkpoint's values, so that either fps or num_frames is set."""
    most = asked.max_frames or int(processor.num_frames or MOST)
    if asked.num_frames is not None:
        count = asked.num_frames
        return replace(asked, num_frames=min(count, asked.max_frames or count))
    return replace(asked, fps=float(asked.fps or processor.fps or RATE), max_frames=most)
