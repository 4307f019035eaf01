"""The choice of frames and of their size by the rules of a GLM-4V checkpoint's own processor.

Its class has a rate, or rates by length, and a longest duration; a number of frames it does not
have, so that one is spread evenly by the rule of the base class.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from transformers.video_processing_utils import BaseVideoProcessor
from transformers.video_utils import VideoMetadata

from evscli.errors import UsageError, VideoError
from evscli.models.parts.rules import size_in_patches, size_only
from evscli.records import FloatArray, IntArray, Sampling


class GlmRules:
    """Sampling and sizing of one checkpoint under one `Sampling`."""

    def __init__(self, processor: Any, asked: Sampling, own_fps: float | None = None) -> None:
        """Take the rules of `processor`, a video processor of transformers, which stays as it is.

        Raises UsageError for what the class has no rule for.
        """
        del own_fps
        refuse_unknown(processor, asked)
        fps = asked.fps if asked.num_frames is None else None
        self.sampling = replace(asked, fps=None if fps is None else float(fps))
        self.patch_size = int(processor.patch_size)
        self.temporal_patch_size = int(processor.temporal_patch_size)
        self.merge_size = int(processor.merge_size)
        self._processor = size_only(processor)

    def sample(self, frames: int, fps: float) -> IntArray:
        """Return [F] frame numbers out of `frames` shown at `fps` on average.

        An odd number of frames is made even by the last one again. Raises VideoError where the
        class's rule gives none.
        """
        asked = self.sampling
        metadata = VideoMetadata(total_num_frames=frames, fps=fps, duration=frames / fps)
        most = min(asked.max_frames or frames, frames)
        if asked.num_frames is None:
            wanted = {} if asked.fps is None else {"fps": asked.fps}
            chosen = self._processor.sample_frames(metadata, **wanted)
            count = min(len(chosen), most) if len(chosen) > most else None
        else:
            count = min(asked.num_frames, most)
        if count is not None:
            chosen = BaseVideoProcessor.sample_frames(self._processor, metadata, num_frames=count)
        index = np.asarray(chosen, dtype=np.int64)
        if not index.size:
            raise VideoError(
                f"the model's processor chooses no frame of {frames} at {fps:g} per second; use a "
                "longer video or change --fps, --num-frames or --max-frames",
                stage="plan",
            )
        return index

    def resized_size(self, frames: int, height: int, width: int) -> tuple[int, int]:
        """Return (height, width) in pixels for `frames` sampled frames of `height` x `width`.

        Raises VideoError where the rule refuses the shape.
        """
        return size_in_patches(self._processor, self.sampling, frames, (height, width))

    def cells(self, height: int, width: int) -> tuple[int, int]:
        """Return (h, w) of the tokens of a temporal patch of resized frames."""
        cell = self.patch_size * self.merge_size
        return height // cell, width // cell

    def prompt_times(self, source_index: IntArray, fps: float) -> FloatArray:
        """Return [T] seconds: index / fps of the first frame of each temporal patch."""
        times: FloatArray = source_index[:: self.temporal_patch_size] / fps
        return times


def refuse_unknown(processor: Any, asked: Sampling) -> None:
    """Raise UsageError for numbers of pixels, and for a rate where the class chooses its own."""
    for name in ("min_pixels", "max_pixels", "total_pixels"):
        if getattr(asked, name) is not None:
            raise UsageError(
                f"--{name.replace('_', '-')} is not supported for this model, whose processor "
                "sizes a video by all of its frames; leave it out, and use --max-frames"
            )
    if asked.fps is not None and type(processor).__name__ == "Glm46VVideoProcessor":
        raise UsageError(
            "--fps says nothing to this model, whose processor chooses rates by the length of a "
            "video; leave it out, or give --num-frames or --max-frames"
        )
