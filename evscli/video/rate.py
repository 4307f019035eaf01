"""The frame rate of a video, and the time for which its last frame is shown.

The rate is frames over duration, as in the video loading of transformers, and not that of a header,
which is wrong for variable rates, dropped frames and recordings of still screens.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from evscli.records import IntArray

DEFAULT_RATE = Fraction(24)
"""The rate of a file that states nothing about time; processors of transformers assume it too."""

CLOCK_TICKS = 2
"""The ticks by which rounding to a container's clock moves a duration: half a tick at either end,
and up to one in the duration of the last frame."""


def average_rate(
    frames: int, duration: Fraction, *, tick: Fraction, stated: Fraction | None
) -> float:
    """Return the frames per second of `frames` over `duration` seconds.

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
