"""The choice of frames for families whose processor samples by the rule of its base class.

That class has no limits of its own: a number of frames or a rate, and nothing else. Most of these
families see every frame as an image of one size.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from transformers.video_utils import VideoMetadata

from evscli.errors import UsageError, VideoError
from evscli.records import FloatArray, IntArray, Sampling


class EvenFrames:
    """Sampling of one checkpoint under one `Sampling`, of which fps or num_frames is set."""

    def __init__(self, processor: Any, sampling: Sampling) -> None:
        """Take the rule of `processor`, a video processor of transformers, which stays as it is."""
        self.sampling = sampling
        self._processor = copy(processor)
        # What is set here would come back as a default beside what `sample` asks for.
        self._processor.fps = self._processor.num_frames = None

    def rate(self, fps: float) -> float | None:
        """Return the rate at which a video of `fps` is sampled, or None to go by a number."""
        del fps
        return self.sampling.fps

    def sample(self, frames: int, fps: float) -> IntArray:
        """Return [F] frame numbers out of `frames` shown at `fps` on average.

        Raises VideoError where the class's rule gives none.
        """
        asked, most = self.sampling, self.sampling.max_frames or frames
        metadata = VideoMetadata(total_num_frames=frames, fps=fps)
        count, rate = min(asked.num_frames or frames, frames), self.rate(fps)
        wanted = {"num_frames": count} if rate is None else {"fps": rate}
        try:
            chosen = self._processor.sample_frames(metadata, **wanted)
            if len(chosen) > most:
                chosen = self._processor.sample_frames(metadata, num_frames=most)
        except ValueError as error:
            raise self._none_chosen(frames, fps, f" ({error})") from error
        if not len(chosen):
            raise self._none_chosen(frames, fps)
        return np.asarray(chosen, dtype=np.int64)

    def _none_chosen(self, frames: int, fps: float, reason: str = "") -> VideoError:
        return VideoError(
            f"the model's processor chooses no frame of {frames} at {fps:g} per second{reason}; "
            "use a longer video or change --fps, --num-frames or --max-frames",
            stage="plan",
        )


class FixedSizeRules(EvenFrames):
    """Sampling and sizing of one checkpoint under one `Sampling`."""

    own_frames: ClassVar[int]
    """The frames of a video where neither the checkpoint nor the user says how many."""
    temporal_patch_size = 1

    def __init__(self, processor: Any, asked: Sampling, own_fps: float | None = None) -> None:
        """Take the rules of `processor`, a video processor of transformers, which stays as it is.

        Raises UsageError for numbers of pixels, which no frame here can have.
        """
        del own_fps
        refuse_pixels(asked, processor.size)
        super().__init__(processor, resolve_sampling(processor, asked, self.own_frames))
        self.patch_size, self.merge_size = int(processor.patch_size), int(processor.merge_size)
        self._size = (int(processor.size["height"]), int(processor.size["width"]))

    def resized_size(self, frames: int, height: int, width: int) -> tuple[int, int]:
        """Return (height, width) in pixels: the same for every video."""
        del frames, height, width
        return self._size

    def cells(self, height: int, width: int) -> tuple[int, int]:
        """Return (h, w) of the tokens of a frame; an odd row of patches has tokens of its own."""
        h, w = height // self.patch_size, width // self.patch_size
        return -(-h // self.merge_size), -(-w // self.merge_size)

    def prompt_times(self, source_index: IntArray, fps: float) -> FloatArray:
        """Return [T] seconds: index / fps."""
        times: FloatArray = source_index / fps
        return times


def resolve_sampling(processor: Any, asked: Sampling, own_frames: int) -> Sampling:
    """Complete `asked` by the checkpoint's values, so that either fps or num_frames is set."""
    if asked.fps is not None:
        return replace(asked, fps=float(asked.fps))
    sampled = processor.do_sample_frames and asked.num_frames is None
    if sampled and processor.num_frames is None and processor.fps is not None:
        return replace(asked, fps=float(processor.fps))
    count = asked.num_frames or (processor.num_frames if sampled else None) or own_frames
    return replace(asked, num_frames=min(int(count), asked.max_frames or int(count)))


def refuse_pixels(asked: Sampling, size: Mapping[str, int]) -> None:
    """Raise UsageError for numbers of pixels."""
    for name in ("min_pixels", "max_pixels", "total_pixels"):
        if getattr(asked, name) is not None:
            raise UsageError(
                f"--{name.replace('_', '-')} says nothing to this model, which sees every frame at "
                f"{size['width']}x{size['height']} pixels; leave it out, and use --max-frames for "
                "fewer tokens"
            )
