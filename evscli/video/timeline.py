"""Every frame of one video in presentation order: what the other parts of this stage work with."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from evscli.records import FloatArray, IntArray
from evscli.video.rate import average_rate


def no_frames() -> IntArray:
    """The numbers of no frame."""
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoIndex:
    """Every frame of one video, in presentation order."""

    path: Path
    pts: IntArray
    """[N] presentation times in units of `time_base`, ascending."""
    places: IntArray
    """[N] where each frame's packet lies among those in the file. Empty where packet times do not
    tell frames apart: then frames are counted from the start of the file."""
    keyframe_pts: IntArray
    """[K] ascending times that decoding can start at. Empty where frames are counted."""
    keyframe_pos: IntArray
    """[K] the byte in the file at which each of them lies; -1 where the format does not tell."""
    time_base: Fraction
    """Seconds per unit."""
    last_seconds: Fraction
    """How long the last frame stands."""
    stated_rate: Fraction | None
    """Frames per second as the container states them; None where it does not."""
    duration: float
    """Seconds from the first frame to the end of the last one."""
    coded_size: tuple[int, int]
    """(height, width) in pixels as decoded."""
    rotation: int
    """Degrees counter-clockwise a viewer turns the coded picture: 0, 90, 180 or 270."""
    mirrored: bool
    """Whether a viewer swaps left and right after turning."""
    damaged: IntArray = field(default_factory=no_frames)
    """Numbers of the frames that are left out although others follow, ascending."""
    notes: tuple[str, ...] = ()
    """What a person should know of it."""

    @property
    def frames(self) -> int:
        """Number of frames, N."""
        return len(self.pts)

    @property
    def times(self) -> FloatArray:
        """[N] seconds since the first frame."""
        return np.asarray((self.pts - self.pts[0]) * float(self.time_base))

    @property
    def fps(self) -> float:
        """Frames per second: frames over duration."""
        return self.rate(range(self.frames))

    @property
    def is_even(self) -> bool:
        """Whether no step between frames is so much longer than the others that one may be lost."""
        steps = np.diff(self.pts)
        return not len(steps) or bool(2 * steps.max() < 3 * np.median(steps))

    @property
    def displayed_size(self) -> tuple[int, int]:
        """(height, width) in pixels after turning; pixels are taken as square."""
        height, width = self.coded_size
        return (height, width) if self.rotation % 180 == 0 else (width, height)

    def usable(self, frames: range) -> IntArray:
        """The numbers of those among consecutive `frames` that are not left out."""
        numbers = np.arange(frames.start, frames.stop)
        return numbers[~np.isin(numbers, self.damaged)] if len(self.damaged) else numbers

    def rate(self, frames: range, *, count: int | None = None) -> float:
        """Frames per second of consecutive `frames`, or of `count` of them spread over the time."""
        return average_rate(
            len(frames) if count is None else count,
            self.span(frames),
            tick=self.time_base,
            stated=self.stated_rate,
        )

    def span(self, frames: range) -> Fraction:
        """Exact seconds that consecutive frames last, the last one's own duration included."""
        begin = int(self.pts[frames.start])
        if frames.stop >= self.frames:
            return (int(self.pts[-1]) - begin) * self.time_base + self.last_seconds
        return (int(self.pts[frames.stop]) - begin) * self.time_base
