from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evscli.errors import UsageError
from evscli.render.sheet import in_time, representative, scenes


def test_all_are_shown_where_there_is_room() -> None:
    assert representative([3, 4, 5], [4], 3) == [3, 4, 5]


def test_every_scene_is_shown() -> None:
    chosen = representative(range(100), [10, 12, 60], 4)
    assert [
        sum(a <= t < b for t in chosen) for a, b in ((0, 10), (10, 12), (12, 60), (60, 100))
    ] == [1] * 4


def test_the_longest_scenes_come_first_where_there_are_too_many() -> None:
    assert [len(scene) for scene in scenes(range(10), [1, 3, 9])] == [1, 2, 6, 1]
    assert representative(range(10), [1, 3, 9], 1) == [6]
    assert representative(range(10), [1, 3, 9], 2) == [2, 6]


def test_of_scenes_alike_evenly_spread_ones_are_shown() -> None:
    assert np.diff(representative(range(100), range(100), 24)).max() == 5
    every_ten = range(10, 100, 10)
    shown = [patch // 10 for patch in representative(range(100), every_ten, 25)]
    assert [shown.count(scene) for scene in range(10)] == [2, 3] * 5


@pytest.mark.parametrize(("count", "most"), [(32, 24), (100, 60), (160, 24)])
def test_no_part_of_a_video_is_shown_more_closely_than_another(count: int, most: int) -> None:
    chosen = np.array(representative(range(count), [], most))
    for length in range(1, count):
        inside = [((chosen >= t) & (chosen < t + length)).sum() for t in range(count - length + 1)]
        assert max(inside) - min(inside) <= 2


def gap_bound(lengths: list[int], most: int) -> Fraction:
    """The shortest stretch for one patch that all scenes can keep to, each with one at least."""
    tried = {Fraction(length, count) for length in lengths for count in range(1, most + 1)}
    return min(g for g in tried if sum(ceil(Fraction(n) / g) for n in lengths) <= most)


@settings(deadline=None, max_examples=40)
@given(count=st.integers(1, 300), most=st.integers(1, 60), cuts=st.sets(st.integers(1, 299)))
def test_as_many_as_asked_for_in_order_and_evenly(count: int, most: int, cuts: set[int]) -> None:
    inside = sorted(cut for cut in cuts if cut < count)
    chosen = representative(range(count), inside, most)
    assert len(chosen) == min(count, most)
    assert chosen == sorted(set(chosen))
    if count > most and not inside:
        gaps = np.diff([-1, *chosen, count])
        assert gaps.max() <= ceil(count / most)
        assert len(chosen) < 2 or np.ptp(np.diff(chosen)) <= 1


@settings(deadline=None, max_examples=25)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    more=st.integers(0, 20),
)
def test_every_scene_is_shown_and_no_stretch_is_longer_than_it_must_be(
    lengths: list[int], more: int
) -> None:
    edges = np.cumsum([0, *lengths]).tolist()
    most = len(lengths) + more
    if most >= edges[-1]:
        return
    chosen = np.array(representative(range(edges[-1]), edges[1:-1], most))
    bound = ceil(gap_bound(lengths, most))
    for start, stop in pairwise(edges):
        shown = chosen[(chosen >= start) & (chosen < stop)]
        assert len(shown)
        assert np.diff([start - 1, *shown, stop]).max() <= bound
        assert len(shown) < 2 or np.ptp(np.diff(shown)) <= 1


def test_time_chooses_patches() -> None:
    times = np.arange(10) / 2
    assert in_time(times, 1.0, 2.0) == [2, 3, 4]
    assert in_time(times, None, 0.4) == [0]
    assert in_time(times, 4.2, None) == [9]
    with pytest.raises(
        UsageError,
        match=r"in the time from 9 s to 10 s: .* 0.00 to 4.50 s",
    ):
        in_time(times, 9.0, 10.0)
