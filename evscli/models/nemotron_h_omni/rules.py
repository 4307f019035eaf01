"""The choice of frames and of their size by the rules of a Nemotron-Omni checkpoint's processor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evscli.errors import UsageError
from evscli.models.parts.fixed_size import EvenFrames, resolve_sampling
from evscli.records import FloatArray, IntArray, Sampling

MOST = 256
"""The most frames at the family's own rate. The processor samples nothing by itself; published
commands that serve the model in vLLM give it both."""


class NemotronRules(EvenFrames):
    """Sampling and sizing of one checkpoint under one `Sampling`."""

    def __init__(self, processor: Any, asked: Sampling, own_fps: float | None = None) -> None:
        """Take the rules of `processor`, a video processor of transformers, which stays as it is.

        Raises UsageError for numbers of pixels, which the class has no rule for.
        """
        refuse_pixels(asked)
        own = {asked.fps, asked.num_frames, *set_by(processor)} == {None}
        self.own_rate = own_fps if own else None
        if self.own_rate is None:
            sampling = resolve_sampling(processor, asked, MOST)
        else:
            sampling = replace(asked, fps=own_fps, max_frames=asked.max_frames or MOST)
        super().__init__(processor, sampling)
        self.patch_size = int(processor.patch_size)
        self.temporal_patch_size = int(processor.temporal_patch_size)
        self.merge_size = int(processor.merge_size)

    def rate(self, fps: float) -> float | None:
        """Return the rate that is asked for; a video slower than the own one has all its frames."""
        return None if self.own_rate is not None and fps < self.own_rate else self.sampling.fps

    def resized_size(self, frames: int, height: int, width: int) -> tuple[int, int]:
        """Return (height, width) in pixels by the class's rule for one frame."""
        del frames
        across, down = self._processor._compute_target_patches(height, width)
        return down * self.patch_size, across * self.patch_size

    def cells(self, height: int, width: int) -> tuple[int, int]:
        """Return (h, w) of the tokens of a temporal patch of resized frames."""
        cell = self.patch_size * self.merge_size
        return height // cell, width // cell

    def prompt_times(self, source_index: IntArray, fps: float) -> FloatArray:
        """Return [T] seconds: those of the first frame of each temporal patch.

        A frame lasts whole milliseconds there, rounded down, as for the processor.
        """
        times: FloatArray = source_index[:: self.temporal_patch_size] * int(1000.0 / fps) / 1000.0
        return times


def set_by(processor: Any) -> tuple[Any, ...]:
    """Return the rate and the number that a checkpoint's processor samples by."""
    return (processor.fps, processor.num_frames) if processor.do_sample_frames else (None, None)


def refuse_pixels(asked: Sampling) -> None:
    """Raise UsageError for numbers of pixels."""
    for name in ("min_pixels", "max_pixels", "total_pixels"):
        if getattr(asked, name) is not None:
            raise UsageError(
                f"--{name.replace('_', '-')} is not supported for this model, whose processor "
                "sizes every frame by a number of patches; leave it out, and use --max-frames"
            )
