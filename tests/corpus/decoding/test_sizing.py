from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from evscli.corpus.decoding.sizing import MOST_WAITING, Watch, enough
from evscli.corpus.executors.engine import Engine


class Hands:
    """A clock that is set, and the seconds waited until then."""

    def __init__(self) -> None:
        self.now = self.waited = 0.0

    def __call__(self) -> float:
        return self.now

    def video(self, *, seconds: float, waited: float) -> None:
        self.now += seconds
        self.waited += waited


def shares(watch: Watch, clock: Hands, lanes: Sequence[int], newest: int) -> list[float | None]:
    """Shares at the beginning of videos of these lanes, each of 10 s with 4 s of waiting."""
    found = []
    for lane in lanes:
        found.append(watch.next(clock.waited, newest=lane == newest))
        clock.video(seconds=10, waited=4)
    return found


def test_time_counts_from_behind_the_newest_lanes_first_video_in_turns_of_all_lanes() -> None:
    clock = Hands()
    clock.video(seconds=100, waited=100)  # the start
    found = shares(Watch(2, clock), clock, [0, 0, 1, 0, 1, 0, 1, 0], newest=1)
    assert found == [None, None, None, None, None, 0.4, None, 0.4]


def test_one_lane_is_judged_by_each_video_after_its_first() -> None:
    clock = Hands()
    assert shares(Watch(1, clock), clock, [0, 0, 0, 0], newest=0) == [None, None, 0.4, 0.4]


def test_a_turn_is_judged_by_its_own_time() -> None:
    clock = Hands()
    watch = Watch(1, clock)
    for waited in (9, 9, 5, 0):
        share = watch.next(clock.waited, newest=True)
        clock.video(seconds=10, waited=waited)
    assert share == 0.9 * 0 + 0.5
    assert watch.next(clock.waited, newest=True) == 0


@pytest.mark.parametrize(
    ("lanes", "waiting", "expected"),
    [
        (1, 0.0, 1),
        (7, MOST_WAITING, 7),
        (1, 0.11, 2),
        (4, 0.11, 5),
        (4, 0.3, 6),
        (4, 0.5, 8),
        (4, 1.0, 8),
    ],
)
def test_lanes_grow_by_what_waiting_says_and_are_doubled_at_most(
    lanes: int, waiting: float, expected: int
) -> None:
    assert enough(lanes, waiting) == expected


@pytest.mark.parametrize(
    ("engine", "first", "most"),
    [
        (Engine(cores=64), 1, 64),
        (Engine(cores=2), 1, 2),
        (Engine(cores=1), 1, 1),
        (Engine(cores=64, devices=("cuda:0",) * 8), 1, 8),
        (Engine(cores=2, devices=("cpu",) * 4), 1, 1),
        (Engine(cores=2, processes=5), 5, 5),
        (Engine(cores=64, processes=6, devices=("cuda:0", "cuda:1")), 3, 3),
    ],
)
def test_workers_share_the_cores_and_a_given_number_is_exact(
    engine: Engine, first: int, most: int
) -> None:
    decoders = engine.decoders()
    assert (decoders.first, decoders.most) == (first, most)


def test_more_decoders_than_videos_are_not_made() -> None:
    given: Callable[[int], Engine] = lambda count: Engine(processes=count)  # noqa: E731
    assert given(8).decoders(most=3).first == 3
    assert Engine(cores=64).decoders(most=3).most == 3


@pytest.mark.parametrize(
    ("engine", "videos", "threads"),
    [
        (Engine(cores=8), 1, 8),
        (Engine(cores=8), 3, 2),
        (Engine(cores=8), 100, 1),
        (Engine(cores=8), None, 1),
        (Engine(cores=8, processes=4), 1, 4),
        (Engine(cores=8, devices=("cpu", "cpu")), 1, 4),
    ],
)
def test_cores_that_no_other_video_needs_decode_the_few(
    engine: Engine, videos: int | None, threads: int
) -> None:
    assert engine.decoders(most=videos).make().threads == threads
