"""A worker's driver in an actor: tasks and words lie here until a call brings or takes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from threading import Condition

from evscli.corpus.executors.worker import Begun, Message, TaskWanted
from evscli.corpus.tasks import Task


class Mailbox:
    """Between the threads of one worker and the calls of its pool."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._tasks: deque[Task | None] = deque()
        self._said: list[Message] = []
        self._sent = 0
        """Messages, ever."""
        self._arrived = 0
        """Of these, how many the pool has for certain."""
        self._wants_none = self._stopped = self._left = False

    def send(self, message: Message) -> None:
        """Let the pool know something. Raises KeyboardInterrupt where the worker shall end.

        A video that kills this process takes with it what lies here, so the pool must know before
        which one it is: that waits until it has arrived.
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
        """Wait for messages; nothing where the worker has left. Asking says the last have come."""
        with self._changed:
            self._arrived = self._sent - len(self._said)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._said or self._left)
            said, self._said = self._said, []
            return said

    def give(self, task: Task | None) -> None:
        """Hand the worker a task, or say that there are no more."""
        with self._changed:
            self._tasks.append(task)
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Task]:
        """Jobs as they are handed out, until there are no more or the worker has ended."""
        while (task := self._next()) is not None:
            yield task

    def _next(self) -> Task | None:
        self.send(TaskWanted())
        with self._changed:
            self._changed.wait_for(lambda: self._tasks or self._wants_none or self._stopped)
            return None if self._wants_none or self._stopped else self._tasks.popleft()

    def close(self) -> None:
        """Wait for no more tasks."""
        with self._changed:
            self._wants_none = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Have the worker end with its video."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def leave(self) -> None:
        """Say nothing more."""
        with self._changed:
            self._left = True
            self._changed.notify_all()
