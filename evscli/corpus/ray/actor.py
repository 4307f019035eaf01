"""What runs in an actor: a worker in a thread, and calls by which its crew reaches it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Thread

from evscli.corpus.decoding.children import warm_up
from evscli.corpus.jobs import Job
from evscli.corpus.member import Assignment, Message, Stopped, work
from evscli.corpus.ray.desk import Desk
from evscli.errors import EvsError


@dataclass(frozen=True, kw_only=True)
class Process:
    """Where an actor runs."""

    host: str
    pid: int


class Worker:
    """An actor; its calls are made by several threads, one of which mostly waits in `hear`."""

    def begin(self, assignment: Assignment, folder: str) -> Process | Stopped:
        """Go to the current folder of the driver, and to work."""
        host = socket.gethostname()
        try:
            os.chdir(folder)
        except OSError as error:
            return Stopped(error=_no_folder(host, folder, error))
        # Children of this process import its main module, which is one of Ray's and costs a second.
        vars(sys.modules["__main__"]).pop("__file__", None)
        warm_up()
        self._desk = Desk()
        self._thread = Thread(target=_live, args=(self._desk, assignment), daemon=True)
        self._thread.start()
        return Process(host=host, pid=os.getpid())

    def hear(self) -> Sequence[Message]:
        """Wait for what the worker says; nothing where it has ended."""
        return self._desk.hear()

    def give(self, job: Job | None) -> None:
        """Hand it a job, or say that there are no more."""
        self._desk.give(job)

    def stop(self) -> None:
        """Have it write what it has finished, and wait for that."""
        self._desk.stop()
        self._thread.join()


def _live(desk: Desk, assignment: Assignment) -> None:
    try:
        work(desk, assignment)
    finally:
        desk.leave()


def _no_folder(host: str, folder: str, error: OSError) -> EvsError:
    return EvsError(
        f"{host} has no folder {folder} ({error.strerror}): run evs in a folder that every node of "
        "the Ray cluster has"
    )
