"""Whose turn it is: tasks are handed out in order, come back as results, and some of them again.

Knows neither processes nor stores. May be used from several threads.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from evscli.corpus.outcome import Summary
from evscli.corpus.tasks import Done, Task
from evscli.records import Failure


class TaskQueue:
    """The tasks of one run, and what has become of them."""

    def __init__(
        self,
        tasks: Iterable[Task],
        summaries: Sequence[Summary],
        *,
        stop: Callable[[], None] = lambda: None,
    ) -> None:
        """Results are counted in `summaries`, one for each store.

        `tasks` may come as they go; `stop` is called so that nobody waits for them any longer.
        """
        self.summaries = [*summaries]
        self._changed = threading.Condition()
        self._tasks = iter(tasks)
        self._stop = stop
        self._drained = False
        self._first: deque[Task] = deque()
        """Handed out before all others."""
        self._last: deque[Task] = deque()
        """And behind them."""
        self._out: dict[str, Task] = {}
        """By id, what was handed out, with the stores whose result has not come."""
        self._again: dict[str, Task] = {}
        self._ended = False

    def __iter__(self) -> Iterator[Task]:
        """Jobs until all are settled; waits while results may still bring some back."""
        while True:
            while (task := self.take()) is not None:
                yield task
            with self._changed:
                self._changed.wait_for(
                    lambda: self._first or self._last or self.settled or self._ended
                )
                if self._ended or self.settled:
                    return

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do or to wait for."""
        return self._drained and not self._first and not self._last and not self._out

    def take(self) -> Task | None:
        """The next task, if there is one; by one thread at a time. Raises what `tasks` does."""
        if not self._first and not self._ended and not self._drained:
            self._draw()
        with self._changed:
            ready = self._first or self._last
            if self._ended or not ready:
                return None
            task = ready.popleft()
            self._out[task.video.id] = task
            return task

    def _draw(self) -> None:
        """Take one from the source, which may have to be waited for."""
        task = next(self._tasks, None)
        with self._changed:
            if task is None:
                self._drained = True
                self._changed.notify_all()
            else:
                self._first.append(task)

    def settle(self, done: Done) -> bool:
        """Count a result; whether that video is to be tried again for that store."""
        video = done.task.video.id
        with self._changed:
            retry = done.task.again(done.store) if isinstance(done.outcome, Failure) else None
            if retry is None:
                self.summaries[done.store].add(done.outcome)
            else:
                before = self._again.get(video)
                self._again[video] = before.joined(retry) if before else retry
            left = self._out.pop(video).without(done.store)
            if left is not None:
                self._out[video] = left
            elif again := self._again.pop(video, None):
                self._last.append(again)
            self._changed.notify_all()
        return retry is not None

    def lose(self, ids: Iterable[str], *, suspect: str | None) -> None:
        """Hand out again what a dead worker had; the video it was at is counted as a suspect."""
        with self._changed:
            tasks = [self._out.pop(video) for video in ids]
            self._first.extendleft(
                reversed(
                    [task.after_crash() if task.video.id == suspect else task for task in tasks]
                )
            )
            self._changed.notify_all()

    def close(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._stop()
