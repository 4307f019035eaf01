"""How many frames a second a video has, and how long its last one stands. Knows numbers only.

The rate is frames over duration, as the video loading of transformers has it, and not what a header
says: that is wrong for variable rates, dropped frames and recordings of still screens.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from evscli.records import IntArray

DEFAULT_RATE = Fraction(24)
"""For a file that says nothing about time; the processors of transformers assume the same."""

CLOCK_TICKS = 2
"""Ticks by which rounding to a container's clock moves a duration: half a tick at either end, and
up to one in how long the last frame stands."""


def average_rate(
    frames: int, duration: Fraction, *, tick: Fraction, stated: Fraction | None
) -> float:
    """Frames per second: so many `frames` over `duration` seconds.

    Where the two differ by less than the clock's rounding, `tick` being the seconds of its unit, it
    is the rate that the container states: so one stream has the same rate in a container that
    counts milliseconds and in one that counts exactly.
    """
    if duration <= 0 or not frames:
        return float(stated or DEFAULT_RATE)
    if stated is not None:
        allowed = min(CLOCK_TICKS * tick, 1 / (4 * stated))
        if abs(frames / stated - duration) <= allowed:
            return float(stated)
    return float(frames / duration)


def last_duration(pts: IntArray, durations: Sequence[int]) -> int:
    """How long the last frame stands, in ticks; 0 where nobody knows.

    `pts` [N] are ascending, `durations` [N] what the packets state, or none. Where a file has none,
    FFmpeg makes them up from an average; that shows where a frame would stand far beyond the next
    one's time. The last frame then stands as long as the one before.
    """
    if len(pts) < 2 or not durations:
        return durations[-1] if durations else 0
    gaps = np.diff(pts)
    if (2 * np.asarray(durations[:-1]) > 3 * gaps).any():
        return int(gaps[-1])
    return durations[-1]
