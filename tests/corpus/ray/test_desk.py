from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from evscli.corpus.member import Begun, Finished, Want
from evscli.corpus.ray.desk import Desk
from tests.corpus.test_dispatch import job


def test_a_worker_begins_a_video_only_when_that_is_known_elsewhere() -> None:
    desk = Desk()
    with ThreadPoolExecutor() as thread:
        begun = thread.submit(desk.tell, Begun(video="a"))
        assert desk.hear() == [Begun(video="a")]
        assert not begun.done()  # the answer to that call may be lost with the process
        heard = thread.submit(desk.hear)
        assert begun.result() is None
        desk.tell(Finished())
        assert heard.result() == [Finished()]


def test_jobs_are_asked_for_one_by_one_until_there_are_no_more() -> None:
    desk = Desk()
    desk.give(job("a"))
    desk.give(None)
    assert [one.video.id for one in desk] == ["a"]
    assert desk.hear() == [Want(), Want()]


def test_nobody_waits_for_a_job_when_the_worker_has_ended() -> None:
    desk = Desk()
    with ThreadPoolExecutor() as thread:
        jobs = thread.submit(list, desk)
        assert desk.hear() == [Want()]
        desk.close()
        assert jobs.result() == []


def test_one_that_is_to_end_does_so_with_its_next_word() -> None:
    desk = Desk()
    with ThreadPoolExecutor() as thread:
        begun = thread.submit(desk.tell, Begun(video="a"))
        desk.hear()
        desk.stop()
        with pytest.raises(KeyboardInterrupt):
            begun.result()
    with pytest.raises(KeyboardInterrupt):
        next(iter(desk))


def test_nothing_is_heard_from_one_that_has_left() -> None:
    desk = Desk()
    with ThreadPoolExecutor() as thread:
        heard = thread.submit(desk.hear)
        desk.leave()
        assert heard.result() == []
