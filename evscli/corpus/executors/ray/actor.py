"""The content of an actor: a worker in a thread, and the calls by which its pool reaches it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Thread

from evscli.corpus.decoding.children import warm_up
from evscli.corpus.executors.ray.mailbox import Mailbox
from evscli.corpus.executors.worker import Assignment, Message, Stopped, work
from evscli.corpus.tasks import Task
from evscli.errors import EvsError


@dataclass(frozen=True, kw_only=True)
class Process:
    """The host and process number of an actor."""

    host: str
    pid: int


class Worker:
    """A worker in an actor. Several threads make its calls, one of which mostly waits in `poll`."""

    def begin(self, assignment: Assignment, folder: str) -> Process | Stopped:
        """Go to the current folder of the driver, and start the worker's thread."""
        host = socket.gethostname()
        try:
            os.chdir(folder)
        except OSError as error:
            return Stopped(error=_no_folder(host, folder, error))
        # Children of this process import its main module, which is one of Ray's and costs a second.
        vars(sys.modules["__main__"]).pop("__file__", None)
        warm_up()
        self._mailbox = Mailbox()
        self._thread = Thread(target=_live, args=(self._mailbox, assignment), daemon=True)
        self._thread.start()
        return Process(host=host, pid=os.getpid())

    def poll(self) -> Sequence[Message]:
        """Wait for messages of the worker; return none where it has ended."""
        return self._mailbox.poll()

    def give(self, task: Task | None) -> None:
        """Send the worker a task, or None where there are no more."""
        self._mailbox.give(task)

    def stop(self) -> None:
        """End the worker, and wait until it has written what it has finished."""
        self._mailbox.stop()
        self._thread.join()


def _live(mailbox: Mailbox, assignment: Assignment) -> None:
    try:
        work(mailbox, assignment)
    finally:
        mailbox.leave()


def _no_folder(host: str, folder: str, error: OSError) -> EvsError:
    return EvsError(
        f"{host} has no folder {folder} ({error.strerror}): run evs in a folder that every node of "
        "the Ray cluster has"
    )
