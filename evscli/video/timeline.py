"""Every frame of one video in presentation order, on which the rest of this stage works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from evscli.records import FloatArray, IntArray

DEFAULT_RATE = Fraction(24)
"""The rate of a file that states nothing about time; processors of transformers assume it too."""

CLOCK_TICKS = 2
"""The ticks by which rounding to a container's clock moves a duration: half a tick at either end,
and up to one in the duration of the last frame."""


def no_frames() -> IntArray:
    """Return an empty array of frame numbers."""
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoIndex:
    """Every frame of one video, in presentation order."""

    path: Path
    pts: IntArray
    """[N] presentation times in units of `time_base`, ascending."""
    places: IntArray
    """[N] the place of each frame's packet among those in the file. Empty where packet times do not
    distinguish frames: then frames are counted from the start of the file."""
    keyframe_pts: IntArray
    """[K] ascending times at which decoding can start. Empty where frames are counted."""
    keyframe_pos: IntArray
    """[K] the byte in the file of each of them; -1 where the format does not state it."""
    time_base: Fraction
    """The seconds of a unit of `pts`."""
    last_seconds: Fraction
    """The seconds for which the last frame is shown."""
    stated_rate: Fraction | None
    """The frames per second that the container states, if any."""
    duration: float
    """The seconds from the first frame to the end of the last one."""
    coded_size: tuple[int, int]
    """(height, width) in pixels as decoded."""
    rotation: int
    """The degrees counter-clockwise by which a viewer turns the coded picture: 0, 90, 180, 270."""
    mirrored: bool
    """Whether a viewer swaps left and right after turning."""
    codec: str = ""
    """The codec, by FFmpeg's name."""
    damaged: IntArray = field(default_factory=no_frames)
    """The numbers of the frames that are left out although others follow, ascending."""
    notes: tuple[str, ...] = ()
    """Notes on the video for a person, such as on damage."""

    @property
    def frames(self) -> int:
        """The number of frames, N."""
        return len(self.pts)

    @property
    def times(self) -> FloatArray:
        """The seconds [N] since the first frame."""
        return np.asarray((self.pts - self.pts[0]) * float(self.time_base))

    @property
    def fps(self) -> float:
        """The frames per second: frames over duration."""
        return self.rate(range(self.frames))

    @property
    def is_even(self) -> bool:
        """Whether no step between frames is so much longer than others that a frame may be lost."""
        steps = np.diff(self.pts)
        return not len(steps) or bool(2 * steps.max() < 3 * np.median(steps))

    @property
    def displayed_size(self) -> tuple[int, int]:
        """(height, width) in pixels after turning; pixels are taken as square."""
        height, width = self.coded_size
        return (height, width) if self.rotation % 180 == 0 else (width, height)

    def usable(self, frames: range) -> IntArray:
        """Return the numbers of the consecutive `frames` that are not left out."""
        numbers = np.arange(frames.start, frames.stop)
        return numbers[~np.isin(numbers, self.damaged)] if len(self.damaged) else numbers

    def rate(self, frames: range, *, count: int | None = None) -> float:
        """Return the rate of consecutive `frames`, or of `count` of them spread over their time."""
        return average_rate(
            len(frames) if count is None else count,
            self.span(frames),
            tick=self.time_base,
            stated=self.stated_rate,
        )

    def span(self, frames: range) -> Fraction:
        """Return the exact seconds of consecutive frames, the last one's own duration included."""
        begin = int(self.pts[frames.start])
        if frames.stop >= self.frames:
            return (int(self.pts[-1]) - begin) * self.time_base + self.last_seconds
        return (int(self.pts[frames.stop]) - begin) * self.time_base


def average_rate(
    frames: int, duration: Fraction, *, tick: Fraction, stated: Fraction | None
) -> float:
    """Return the frames per second of `frames` over `duration` seconds.

    A header's rate is wrong for variable rates, dropped frames and recordings of still screens, so
    this is frames over duration, as in the video loading of transformers.
    Where that differs from the rate that the container states by less than the rounding of its
    clock, whose unit is `tick` seconds, the stated rate is returned: so one stream has the same
    rate in a container that counts milliseconds and in one that counts exactly.
    """
    if duration <= 0 or not frames:
        return float(stated or DEFAULT_RATE)
    if stated is not None:
        allowed = min(CLOCK_TICKS * tick, 1 / (4 * stated))
        if abs(frames / stated - duration) <= allowed:
            return float(stated)
    return float(frames / duration)


def last_duration(pts: IntArray, durations: Sequence[int]) -> int:
    """Return the duration of the last frame in ticks, or 0 where it is unknown.

    `pts` [N] are ascending; `durations` [N] are those of the packets, or empty. Where a file has
    none, FFmpeg makes them up from an average, which shows where a frame would last far beyond the
    next one's time. The last frame then lasts as long as the one before.
    """
    if len(pts) < 2 or not durations:
        return durations[-1] if durations else 0
    gaps = np.diff(pts)
    if (2 * np.asarray(durations[:-1]) > 3 * gaps).any():
        return int(gaps[-1])
    return durations[-1]
