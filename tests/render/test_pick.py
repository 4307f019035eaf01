from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evscli.errors import UsageError
from evscli.render.pick import in_time, representative, scenes


def test_all_are_shown_where_there_is_room() -> None:
    assert representative([3, 4, 5], [4], 3) == [3, 4, 5]


def test_every_scene_is_shown() -> None:
    chosen = representative(range(100), [10, 12, 60], 4)
    assert [
        sum(a <= t < b for t in chosen) for a, b in ((0, 10), (10, 12), (12, 60), (60, 100))
    ] == [1] * 4


def test_the_longest_scenes_come_first_where_there_are_too_many() -> None:
    assert [len(scene) for scene in scenes(range(10), [1, 3, 9])] == [6, 2, 1, 1]
    assert representative(range(10), [1, 3, 9], 1) == [6]


@given(count=st.integers(1, 300), most=st.integers(1, 60), cuts=st.sets(st.integers(1, 299)))
def test_as_many_as_asked_for_in_order_and_without_gaps(
    count: int, most: int, cuts: set[int]
) -> None:
    inside = sorted(cut for cut in cuts if cut < count)
    chosen = representative(range(count), inside, most)
    assert len(chosen) == min(count, most)
    assert chosen == sorted(set(chosen))
    if not inside and count > most > 1:
        assert max(np.diff([0, *chosen, count - 1])) <= 2 * count / most + 1


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
