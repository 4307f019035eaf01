from __future__ import annotations

from pathlib import Path

from evscli.corpus.estimate.sample import MOST, MOST_FETCHED, take_sample, usual_size
from evscli.corpus.jobs import Job
from evscli.records import HeldVideo, VideoInput

ROOT = Path("/corpus")


def job(name: str, *, url: str = "s3://bucket/clips.tar", size: int = 10) -> Job:
    held = HeldVideo(url=url, size=size, offset=512)
    return Job(
        video=VideoInput(id=name, path=ROOT / f"{name}.mp4", root=ROOT, held=held), tries={0: 1}
    )


def ids(jobs: list[Job], most: int) -> set[str]:
    return {each.video.id for each in take_sample(jobs, most).jobs}


def test_a_sample_depends_on_ids_alone() -> None:
    jobs = [job(f"clip{number}") for number in range(100)]
    assert len(ids(jobs, 10)) == 10
    assert ids(jobs, 10) == ids(jobs[::-1], 10)
    assert ids(jobs, 10) < ids(jobs, 11)
    # Other videos push some out of it and change nothing else.
    more = [*jobs, *(job(f"new{number}") for number in range(20))]
    assert len(ids(more, 10) - ids(jobs, 10)) == len(ids(jobs, 10) - ids(more, 10)) < 5


def test_all_of_a_few_videos_are_taken_in_their_order() -> None:
    jobs = [job(name) for name in "cab"]
    sample = take_sample(jobs, 3)
    assert [each.video.id for each in sample.jobs] == ["c", "a", "b"]
    assert sample.is_whole
    assert sample.factor == 1


def test_a_sample_stands_for_the_bytes_of_all_sources() -> None:
    jobs = [job(name, size=size) for name, size in (("a", 10), ("b", 30), ("c", 60))]
    sample = take_sample(jobs, 1)
    (one,) = sample.jobs
    assert one.video.held is not None
    assert sample.factor == 100 / one.video.held.size
    assert not sample.is_whole


def test_fewer_videos_are_looked_into_where_they_must_be_fetched() -> None:
    remote, local = [job("a"), job("b")], [job("a", url="/corpus/clips.tar")]
    assert usual_size(local) == MOST
    assert usual_size([*local, *remote]) == MOST_FETCHED
    assert [video.id for video in take_sample([*local, *remote[1:]], 9).fetched] == ["b"]
