from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from evscli.corpus.executors.ray.actor import Mailbox
from evscli.corpus.executors.worker import Begun, Finished, TaskWanted
from tests.corpus.executors.test_queue import task


def test_a_worker_begins_a_video_only_when_that_is_known_elsewhere() -> None:
    mailbox = Mailbox()
    with ThreadPoolExecutor() as thread:
        begun = thread.submit(mailbox.send, Begun(videos=("a",)))
        assert mailbox.poll() == [Begun(videos=("a",))]
        assert not begun.done()  # the answer to that call may be lost with the process
        heard = thread.submit(mailbox.poll)
        assert begun.result() is None
        mailbox.send(Finished())
        assert heard.result() == [Finished()]


def test_jobs_are_asked_for_one_by_one_until_there_are_no_more() -> None:
    mailbox = Mailbox()
    mailbox.give(task("a"))
    mailbox.give(None)
    assert [one.video.id for one in mailbox] == ["a"]
    assert mailbox.poll() == [TaskWanted(), TaskWanted()]


def test_nobody_waits_for_a_job_when_the_worker_has_ended() -> None:
    mailbox = Mailbox()
    with ThreadPoolExecutor() as thread:
        tasks = thread.submit(list, mailbox)
        assert mailbox.poll() == [TaskWanted()]
        mailbox.close()
        assert tasks.result() == []


def test_one_that_is_to_end_does_so_with_its_next_word() -> None:
    mailbox = Mailbox()
    with ThreadPoolExecutor() as thread:
        begun = thread.submit(mailbox.send, Begun(videos=("a",)))
        mailbox.poll()
        mailbox.stop()
        with pytest.raises(KeyboardInterrupt):
            begun.result()
    with pytest.raises(KeyboardInterrupt):
        next(iter(mailbox))


def test_nothing_is_heard_from_one_that_has_left() -> None:
    mailbox = Mailbox()
    with ThreadPoolExecutor() as thread:
        heard = thread.submit(mailbox.poll)
        mailbox.leave()
        assert heard.result() == []
