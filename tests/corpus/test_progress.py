from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evscli.corpus.progress import Progress
from evscli.corpus.tasks import Done, Outcome, Task
from evscli.records import VideoInput
from tests.store.samples import failure, record


@pytest.fixture
def tasks(tmp_path: Path) -> list[Task]:
    """Files of 100, 100 and 300 bytes, the last one for two stores."""
    for name, size in (("a", 100), ("b", 100), ("c", 300)):
        (tmp_path / name).write_bytes(b"x" * size)
    videos = [VideoInput(id=name, path=tmp_path / name, root=tmp_path) for name in "abc"]
    return [
        Task(video=video, tries={0: 1, 1: 1} if video.id == "c" else {0: 1}) for video in videos
    ]


def pruned(seconds: float) -> Outcome:
    return replace(record().info, duration=seconds)


def test_what_is_left_is_estimated_from_bytes(tasks: list[Task]) -> None:
    now = 0.0
    progress = Progress(tasks, clock=lambda: now)
    before = progress.state()
    assert (before.videos, before.done, before.seconds_expected, before.eta) == (3, 0, None, None)
    now = 4.0
    assert progress.add(Done(task=tasks[0], store=0, outcome=pruned(20.0))) == 20.0
    state = progress.state()
    assert (state.done, state.seconds, state.seconds_expected) == (1, 20.0, 100.0)
    assert (state.eta, state.speed, state.rate) == (16.0, 5.0, 0.25)


def test_a_failed_video_counts_as_done_and_adds_no_seconds(tasks: list[Task]) -> None:
    progress = Progress(tasks)
    assert progress.add(Done(task=tasks[1], store=0, outcome=failure("b"))) == 0.0
    state = progress.state()
    assert (state.done, state.failed, state.seconds) == (1, 1, 0.0)
    assert state.eta is not None


def test_a_video_that_several_stores_want_is_done_with_the_last(tasks: list[Task]) -> None:
    progress = Progress(tasks)
    info = pruned(30.0)
    assert progress.add(Done(task=tasks[2], store=0, outcome=info)) == 0.0
    assert progress.state().done == 0
    assert progress.add(Done(task=tasks[2], store=1, outcome=failure("c"))) == 30.0
    state = progress.state()
    assert (state.done, state.failed, state.seconds) == (1, 1, 30.0)


def test_tokens_of_all_stores_are_counted(tasks: list[Task]) -> None:
    progress = Progress(tasks)
    info = record().info
    for store in (0, 1):
        progress.add(Done(task=tasks[2], store=store, outcome=info))
    assert (progress.state().tokens, progress.state().kept) == (2 * info.tokens, 2 * info.kept)


def test_shares_of_segments_never_add_up_to_more_than_their_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 1001)
    video = VideoInput(id="a", path=tmp_path / "a", root=tmp_path)
    for count in (*range(1, 12), 49, 119):  # of some, the shares add up to a little more than 1
        progress = Progress([Task(video=video, tries={})])
        for number in range(count):
            part = replace(video, id=f"a@{number}-{number + 1}", start=float(number))
            task = Task(video=part, tries={0: 1}, share=1 / count)
            progress.add(Done(task=task, store=0, outcome=pruned(1.1)))
        state = progress.state()
        assert (state.videos, state.done) == (1, 1)
        assert state.seconds_expected is not None
        assert state.eta is not None
        assert state.seconds_expected >= state.seconds
        assert state.eta >= 0
