from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evscli.errors import VideoError
from evscli.video import VideoIndex
from evscli.video.parts import frames_between, seconds_of, segments


def index_of(pts: list[int], time_base: Fraction, *, last: int = 1) -> VideoIndex:
    times = np.array(pts, dtype=np.int64)
    return VideoIndex(
        path=Path("clip.mp4"),
        pts=times,
        places=np.arange(len(times)),
        keyframe_pts=times[:1],
        keyframe_pos=times[:1],
        time_base=time_base,
        last_seconds=last * time_base,
        stated_rate=Fraction(24),
        duration=float((times[-1] - times[0] + last) * time_base),
        coded_size=(96, 128),
        rotation=0,
        mirrored=False,
    )


timelines = st.lists(st.integers(0, 500), min_size=1, max_size=60, unique=True).map(sorted)
bases = st.sampled_from([Fraction(1, 10), Fraction(1, 24), Fraction(1001, 30000), Fraction(1, 90)])
lengths = st.sampled_from([0.1, 0.3, 0.7, 1.0, 2.5, 1 / 3, 1000.0])


@given(timelines, bases, lengths)
def test_every_frame_is_in_one_segment(pts: list[int], base: Fraction, seconds: float) -> None:
    index = index_of(pts, base)
    parts = [frames_between(index, *span) for span in segments(index, seconds, least=1)]
    assert [frame for part in parts for frame in part] == list(range(index.frames))


@given(timelines, bases, lengths)
def test_lengths_of_parts_add_up(pts: list[int], base: Fraction, seconds: float) -> None:
    index = index_of(pts, base)
    spans = segments(index, seconds, least=1)
    total = sum(seconds_of(index, frames_between(index, *span)) for span in spans)
    assert total == pytest.approx(index.duration)
    assert seconds_of(index, range(index.frames)) == index.duration


def test_a_frame_at_a_border_begins_the_later_part_in_any_time_base() -> None:
    for base in (Fraction(1, 10), Fraction(1, 15360), Fraction(1, 90000)):
        index = index_of([7 + int(k / base / 10) for k in range(12)], base)
        for k in range(1, 12):
            border = k / 10
            assert frames_between(index, border, None) == range(k, 12)
            assert frames_between(index, None, border) == range(k)


def test_borders_are_written_as_people_write_them() -> None:
    index = index_of(list(range(10)), Fraction(1, 10))
    spans = segments(index, 0.3, least=1)
    assert spans == [(0.0, 0.3), (0.3, 0.6), (0.6, 0.9), (0.9, 1.2)]


def test_gaps_and_a_rest_too_short_are_no_segments() -> None:
    index = index_of([0, 1, 2, 3, 30, 31, 32, 40], Fraction(1, 10))
    assert segments(index, 1.0, least=2) == [(0.0, 1.0), (3.0, 4.0)]
    assert segments(index_of([0], Fraction(1, 10)), 1.0, least=2) == [(0.0, 1.0)]


def test_a_part_without_frames_is_refused() -> None:
    index = index_of(list(range(10)), Fraction(1, 10))
    with pytest.raises(VideoError, match=r"shows no frame 1 to 2 s: it lasts 1\.00 s") as refused:
        frames_between(index, 1.0, 2.0)
    assert refused.value.stage == "plan"
