"""Parts of a video: the frames that are shown between two seconds.

Seconds count from the first frame and are taken as the decimal numbers that people write, so that
a frame shown at 60 s begins the part from 60 on and is not in that before it, whatever the time
base.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from evscli.errors import VideoError
from evscli.video.timeline import VideoIndex


def frames_between(index: VideoIndex, start: float | None, end: float | None) -> range:
    """Return the frames shown from `start` until before `end`, by default those of the whole video.

    Raises VideoError, stage "plan", where there is none.
    """
    frames = range(_first_from(index, start or 0.0), _first_from(index, end))
    if not frames:
        span = f"from {start or 0.0:g} s on" if end is None else f"{start or 0.0:g} to {end:g} s"
        raise VideoError(
            f"{index.path} shows no frame {span}: it lasts {index.duration:.2f} s; "
            "correct start and end, or leave it out",
            stage="plan",
        )
    return frames


def segments(index: VideoIndex, seconds: float, *, least: int) -> list[tuple[float, float]]:
    """Return (start, end) of the segments of `seconds` each that a video is cut into.

    Segments with fewer than `least` frames are left out: gaps, and a rest too short to be sampled.
    The first segment remains where all are that short.
    """
    count = int(-(-_exact(index.duration) // _exact(seconds)))
    spans = [segment_span(number, seconds) for number in range(max(1, count))]
    borders = [_first_from(index, start) for start, _ in spans] + [index.frames]
    frames = np.diff(borders)
    return [span for span, shown in zip(spans, frames, strict=True) if shown >= least] or spans[:1]


def segment_span(number: int, seconds: float) -> tuple[float, float]:
    """Return (start, end) of a segment of `seconds`, segments being counted from 0."""
    step = _exact(seconds)
    return float(number * step), float((number + 1) * step)


def seconds_of(index: VideoIndex, frames: range) -> float:
    """Return the seconds that `frames` last, the last one's own duration included."""
    begins = index.pts[frames.start] - index.pts[0]
    if frames.stop >= index.frames:
        return index.duration - float(begins * index.time_base)
    return float((index.pts[frames.stop] - index.pts[frames.start]) * index.time_base)


def _first_from(index: VideoIndex, seconds: float | None) -> int:
    """Return the first frame shown at or after a time; the number of frames where none is."""
    if seconds is None:
        return index.frames
    ticks = -(-_exact(seconds) // index.time_base)
    return int(np.searchsorted(index.pts, index.pts[0] + int(ticks), side="left"))


def _exact(seconds: float) -> Fraction:
    return Fraction(repr(float(seconds)))
