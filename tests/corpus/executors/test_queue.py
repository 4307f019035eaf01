from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from evscli.corpus.executors.queue import TaskQueue
from evscli.corpus.tasks import Done, Summary, Task
from evscli.records import VideoInput
from tests.store.samples import failure, record


def task(name: str, tries: dict[int, int] | None = None) -> Task:
    video = VideoInput(id=name, path=Path(f"/in/{name}.mp4"), root=Path("/in"))
    return Task(video=video, tries=tries or {0: 1})


@pytest.fixture
def summaries() -> list[Summary]:
    return [Summary(), Summary()]


def pruned(one: Task, store: int = 0) -> Done:
    return Done(task=one, store=store, outcome=record(one.video.id).info)


def failed(one: Task, store: int = 0) -> Done:
    return Done(task=one, store=store, outcome=failure(one.video.id))


def test_jobs_are_handed_out_in_order_until_all_are_settled(summaries: list[Summary]) -> None:
    queue = TaskQueue([task("a"), task("b")], summaries)
    seen = []
    for one in queue:
        seen.append(one.video.id)
        assert not queue.settled
        assert not queue.settle(pruned(one))
    assert seen == ["a", "b"]
    assert queue.settled
    assert queue.summaries[0].pruned == 2


def test_a_failure_comes_back_at_the_end_while_it_has_tries(summaries: list[Summary]) -> None:
    queue = TaskQueue([task("a", {0: 3}), task("b")], summaries)
    seen = []
    for one in queue:
        seen.append(one.video.id)
        again = queue.settle(failed(one))
        assert again == (one.video.id == "a" and seen.count("a") < 3)
    assert seen == ["a", "b", "a", "a"]
    assert queue.summaries[0].failed == 2


def test_only_the_stores_where_it_failed_get_it_again(summaries: list[Summary]) -> None:
    queue = TaskQueue([task("a", {0: 2, 1: 2})], summaries)
    first = queue.take()
    assert first is not None
    assert queue.settle(failed(first, store=1))
    assert queue.take() is None
    assert not queue.settle(pruned(first, store=0))
    second = queue.take()
    assert second is not None
    assert second.tries == {1: 1}
    assert not queue.settle(failed(second, store=1))
    assert queue.settled


def test_who_waits_for_a_job_gets_one_that_comes_back(summaries: list[Summary]) -> None:
    queue = TaskQueue([task("a", {0: 2})], summaries)
    first = queue.take()
    assert first is not None
    seen: list[str] = []
    waits = threading.Thread(target=lambda: seen.extend(one.video.id for one in queue))
    waits.start()
    waits.join(0.05)
    assert waits.is_alive()
    queue.settle(failed(first))
    waits.join(0.05)
    queue.close()
    waits.join()
    assert seen == ["a"]


def test_what_a_dead_worker_had_is_next_and_only_the_video_it_was_at_is_suspected(
    summaries: list[Summary],
) -> None:
    queue = TaskQueue([task(name) for name in "abcd"], summaries)
    for _ in range(3):
        queue.take()
    queue.lose(["b", "c"], suspects=["b"])
    back = [queue.take() for _ in range(3)]
    assert [(one.video.id, one.crashes) for one in back if one] == [("b", 1), ("c", 0), ("d", 0)]


def test_tasks_are_drawn_in_blocks_of_which_those_that_come_again_are_none(
    summaries: list[Summary],
) -> None:
    queue = TaskQueue([task(name, {0: 2}) for name in "abcdefgh"], summaries, block=3)
    blocks = [queue.take_block() for _ in range(2)]
    assert [[(one.video.id, one.behind) for one in block] for block in blocks] == [
        [("a", 2), ("b", 1), ("c", 0)],
        [("d", 2), ("e", 1), ("f", 0)],
    ]
    queue.lose(["e", "f"], suspects=["e", "f"])
    queue.settle(failed(blocks[0][0]))
    back = []
    while block := queue.take_block():
        back.append([(one.video.id, one.behind, one.alone, one.crashes) for one in block])
    assert back == [
        [("e", 0, True, 1)],
        [("f", 0, True, 1)],
        [("g", 1, False, 0), ("h", 0, False, 0)],
        [("a", 0, True, 0)],
    ]


def test_closing_ends_the_handing_out(summaries: list[Summary]) -> None:
    queue = TaskQueue([task("a"), task("b")], summaries)
    queue.take()
    queue.close()
    assert list(queue) == []
    assert queue.take() is None


def test_jobs_may_come_as_they_go(summaries: list[Summary]) -> None:
    drawn: list[str] = []

    def come() -> Iterator[Task]:
        for name in "ab":
            drawn.append(name)
            yield task(name)

    queue = TaskQueue(come(), summaries)
    assert (drawn, queue.settled) == ([], False)
    first = queue.take()
    assert first is not None
    assert (drawn, queue.settle(pruned(first))) == (["a"], False)
    assert not queue.settled
    assert [one.video.id for one in take_all(queue)] == ["b"]
    assert queue.settled


def take_all(queue: TaskQueue) -> Iterator[Task]:
    for one in queue:
        yield one
        queue.settle(pruned(one))


def test_closing_lets_nobody_wait_for_jobs(summaries: list[Summary]) -> None:
    stopped: list[bool] = []
    TaskQueue([], summaries, stop=lambda: stopped.append(True)).close()
    assert stopped == [True]
