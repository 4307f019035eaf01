from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from evscli.corpus.dispatch import Dispatch
from evscli.corpus.jobs import Done, Job
from evscli.corpus.outcome import Summary
from evscli.records import VideoInput
from tests.store.samples import failure, record


def job(name: str, tries: dict[int, int] | None = None) -> Job:
    video = VideoInput(id=name, path=Path(f"/in/{name}.mp4"), root=Path("/in"))
    return Job(video=video, tries=tries or {0: 1})


@pytest.fixture
def summaries() -> list[Summary]:
    return [Summary(), Summary()]


def pruned(one: Job, store: int = 0) -> Done:
    return Done(job=one, store=store, outcome=record(one.video.id).info)


def failed(one: Job, store: int = 0) -> Done:
    return Done(job=one, store=store, outcome=failure(one.video.id))


def test_jobs_are_handed_out_in_order_until_all_are_settled(summaries: list[Summary]) -> None:
    dispatch = Dispatch([job("a"), job("b")], summaries)
    seen = []
    for one in dispatch:
        seen.append(one.video.id)
        assert not dispatch.settled
        assert not dispatch.settle(pruned(one))
    assert seen == ["a", "b"]
    assert dispatch.settled
    assert dispatch.summaries[0].pruned == 2


def test_a_failure_comes_back_at_the_end_while_it_has_tries(summaries: list[Summary]) -> None:
    dispatch = Dispatch([job("a", {0: 3}), job("b")], summaries)
    seen = []
    for one in dispatch:
        seen.append(one.video.id)
        again = dispatch.settle(failed(one))
        assert again == (one.video.id == "a" and seen.count("a") < 3)
    assert seen == ["a", "b", "a", "a"]
    assert dispatch.summaries[0].failed == 2


def test_only_the_stores_where_it_failed_get_it_again(summaries: list[Summary]) -> None:
    dispatch = Dispatch([job("a", {0: 2, 1: 2})], summaries)
    first = dispatch.take()
    assert first is not None
    assert dispatch.settle(failed(first, store=1))
    assert dispatch.take() is None
    assert not dispatch.settle(pruned(first, store=0))
    second = dispatch.take()
    assert second is not None
    assert second.tries == {1: 1}
    assert not dispatch.settle(failed(second, store=1))
    assert dispatch.settled


def test_who_waits_for_a_job_gets_one_that_comes_back(summaries: list[Summary]) -> None:
    dispatch = Dispatch([job("a", {0: 2})], summaries)
    first = dispatch.take()
    assert first is not None
    seen: list[str] = []
    waits = threading.Thread(target=lambda: seen.extend(one.video.id for one in dispatch))
    waits.start()
    waits.join(0.05)
    assert waits.is_alive()
    dispatch.settle(failed(first))
    waits.join(0.05)
    dispatch.close()
    waits.join()
    assert seen == ["a"]


def test_what_a_dead_worker_had_is_next_and_only_the_video_it_was_at_is_suspected(
    summaries: list[Summary],
) -> None:
    dispatch = Dispatch([job(name) for name in "abcd"], summaries)
    for _ in range(3):
        dispatch.take()
    dispatch.lose(["b", "c"], suspect="b")
    back = [dispatch.take() for _ in range(3)]
    assert [(one.video.id, one.crashes) for one in back if one] == [("b", 1), ("c", 0), ("d", 0)]


def test_closing_ends_the_handing_out(summaries: list[Summary]) -> None:
    dispatch = Dispatch([job("a"), job("b")], summaries)
    dispatch.take()
    dispatch.close()
    assert list(dispatch) == []
    assert dispatch.take() is None


def test_jobs_may_come_as_they_go(summaries: list[Summary]) -> None:
    drawn: list[str] = []

    def come() -> Iterator[Job]:
        for name in "ab":
            drawn.append(name)
            yield job(name)

    dispatch = Dispatch(come(), summaries)
    assert (drawn, dispatch.settled) == ([], False)
    first = dispatch.take()
    assert first is not None
    assert (drawn, dispatch.settle(pruned(first))) == (["a"], False)
    assert not dispatch.settled
    assert [one.video.id for one in take_all(dispatch)] == ["b"]
    assert dispatch.settled


def take_all(dispatch: Dispatch) -> Iterator[Job]:
    for one in dispatch:
        yield one
        dispatch.settle(pruned(one))


def test_closing_lets_nobody_wait_for_jobs(summaries: list[Summary]) -> None:
    stopped: list[bool] = []
    Dispatch([], summaries, stop=lambda: stopped.append(True)).close()
    assert stopped == [True]
