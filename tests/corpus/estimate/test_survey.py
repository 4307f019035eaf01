from __future__ import annotations

from pathlib import Path

from evscli.corpus.estimate.survey import MOST_FETCHED, MOST_LOCAL, take_sample, usual_size
from evscli.corpus.tasks import Task
from evscli.records import HeldVideo, VideoInput

ROOT = Path("/corpus")


def task(name: str, *, url: str = "s3://bucket/clips.tar", size: int = 10) -> Task:
    held = HeldVideo(url=url, size=size, offset=512)
    return Task(
        video=VideoInput(id=name, path=ROOT / f"{name}.mp4", root=ROOT, held=held), tries={0: 1}
    )


def ids(tasks: list[Task], most: int) -> set[str]:
    return {each.video.id for each in take_sample(tasks, most).tasks}


def test_a_sample_depends_on_ids_alone() -> None:
    tasks = [task(f"clip{number}") for number in range(100)]
    assert len(ids(tasks, 10)) == 10
    assert ids(tasks, 10) == ids(tasks[::-1], 10)
    assert ids(tasks, 10) < ids(tasks, 11)
    # Other videos push some out of it and change nothing else.
    more = [*tasks, *(task(f"new{number}") for number in range(20))]
    assert len(ids(more, 10) - ids(tasks, 10)) == len(ids(tasks, 10) - ids(more, 10)) < 5


def test_all_of_a_few_videos_are_taken_in_their_order() -> None:
    tasks = [task(name) for name in "cab"]
    sample = take_sample(tasks, 3)
    assert [each.video.id for each in sample.tasks] == ["c", "a", "b"]
    assert sample.is_whole
    assert sample.factor == 1


def test_a_sample_stands_for_the_bytes_of_all_sources() -> None:
    tasks = [task(name, size=size) for name, size in (("a", 10), ("b", 30), ("c", 60))]
    sample = take_sample(tasks, 1)
    (one,) = sample.tasks
    assert one.video.held is not None
    assert sample.factor == 100 / one.video.held.size
    assert not sample.is_whole


def test_fewer_videos_are_looked_into_where_they_must_be_fetched() -> None:
    remote, local = [task("a"), task("b")], [task("a", url="/corpus/clips.tar")]
    assert usual_size(local) == MOST_LOCAL
    assert usual_size([*local, *remote]) == MOST_FETCHED
    assert [video.id for video in take_sample([*local, *remote[1:]], 9).fetched] == ["b"]
