"""The content of an actor: a worker in a thread, and the calls by which its pool reaches it."""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Condition, Thread

from evscli.corpus.decoding.children import warm_up
from evscli.corpus.executors.worker import Assignment, Begun, Message, Stopped, TaskWanted, work
from evscli.corpus.tasks import Task
from evscli.errors import EvsError


class Mailbox:
    """The driver of a worker in an actor: tasks and messages wait here for calls of the pool."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._tasks: deque[Task | None] = deque()
        self._said: list[Message] = []
        self._sent = 0
        """The number of messages sent in all."""
        self._arrived = 0
        """The number of these that have reached the pool for certain."""
        self._wants_none = self._stopped = self._left = False

    def send(self, message: Message) -> None:
        """Queue a message to the pool. Raises KeyboardInterrupt where the worker shall end.

        A video that kills this process takes the queue with it, so the pool must have the name of
        the video first: `Begun` waits until it has arrived.
        """
        with self._changed:
            self._said.append(message)
            self._sent += 1
            number = self._sent
            self._changed.notify_all()
            if isinstance(message, Begun):
                self._changed.wait_for(lambda: self._stopped or self._arrived >= number)
            if self._stopped:
                raise KeyboardInterrupt

    def poll(self) -> Sequence[Message]:
        """Wait for messages; none where the worker has left. A call confirms those of the last."""
        with self._changed:
            self._arrived = self._sent - len(self._said)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._said or self._left)
            said, self._said = self._said, []
            return said

    def give(self, task: Task | None) -> None:
        """Send the worker a task, or None where there are no more."""
        with self._changed:
            self._tasks.append(task)
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Task]:
        """Yield tasks as they are handed out, until there are no more or the worker has ended."""
        while (task := self._next()) is not None:
            yield task

    def _next(self) -> Task | None:
        self.send(TaskWanted())
        with self._changed:
            self._changed.wait_for(lambda: self._tasks or self._wants_none or self._stopped)
            return None if self._wants_none or self._stopped else self._tasks.popleft()

    def close(self) -> None:
        """Stop waiting for tasks."""
        with self._changed:
            self._wants_none = True
            self._changed.notify_all()

    def stop(self) -> None:
        """End the worker after its video."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def leave(self) -> None:
        """Send no more messages."""
        with self._changed:
            self._left = True
            self._changed.notify_all()


@dataclass(frozen=True, kw_only=True)
class Process:
    """The host and process number of an actor."""

    host: str
    pid: int


class Worker(Mailbox):
    """A worker in an actor. Several threads make its calls, one of which mostly waits in `poll`."""

    def begin(self, assignment: Assignment, folder: str) -> Process | Stopped:
        """Go to the current folder of the driver, and start the worker's thread."""
        host = socket.gethostname()
        try:
            os.chdir(folder)
        except OSError as error:
            return Stopped(error=_no_folder(host, folder, error))
        warm_up()
        self._thread = Thread(target=self._live, args=(assignment,), daemon=True)
        self._thread.start()
        return Process(host=host, pid=os.getpid())

    def stop(self) -> None:
        """End the worker, and wait until it has written what it has finished."""
        super().stop()
        self._thread.join()

    def _live(self, assignment: Assignment) -> None:
        try:
            work(self, assignment)
        finally:
            self.leave()


def _no_folder(host: str, folder: str, error: OSError) -> EvsError:
    return EvsError(
        f"{host} has no folder {folder} ({error.strerror}): run evs in a folder that every node of "
        "the Ray cluster has"
    )
