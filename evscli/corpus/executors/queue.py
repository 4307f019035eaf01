"""The queue of a run's tasks, which are handed out, settled by results, and some tried again.

Several threads may use it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from evscli.corpus.tasks import Done, Summary, Task
from evscli.records import Failure


class TaskQueue:
    """The tasks of one run, and their state."""

    def __init__(
        self,
        tasks: Iterable[Task],
        summaries: Sequence[Summary],
        *,
        block: int = 1,
        stop: Callable[[], None] = lambda: None,
    ) -> None:
        """Set the source of tasks, and `summaries`, one for each store, that count results.

        `tasks` may come as they go; `stop` is called to end all waiting for them. Every `block` of
        them, counted from the first, is kept together: each task says how many come `behind` it.
        """
        self.summaries = [*summaries]
        self._block = block
        self._changed = threading.Condition()
        self._tasks = iter(tasks)
        self._stop = stop
        self._drained = False
        self._first: deque[Task] = deque()
        """The tasks that are handed out before all others."""
        self._last: deque[Task] = deque()
        """The tasks that are handed out after all others."""
        self._out: dict[str, Task] = {}
        """The tasks handed out, with the stores whose result has not come, by id."""
        self._again: dict[str, Task] = {}
        self._ended = False

    def __iter__(self) -> Iterator[Task]:
        """Yield tasks until all are settled; wait while results may still bring some back."""
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
        """Whether all tasks have their last result."""
        return self._drained and not self._first and not self._last and not self._out

    def take(self) -> Task | None:
        """Return the next task or None, for one thread at a time. Raises what `tasks` does."""
        if not self._first and not self._ended and not self._drained:
            self._draw()
        with self._changed:
            ready = self._first or self._last
            if self._ended or not ready:
                return None
            task = ready.popleft()
            self._out[task.video.id] = task
            return task

    def take_block(self) -> list[Task]:
        """Return the next task and those behind it, none where there is none. Raises as `take`."""
        first = self.take()
        if first is None:
            return []
        rest = (self.take() for _ in range(first.behind))
        return [first, *(task for task in rest if task is not None)]

    def _draw(self) -> None:
        """Take a block of tasks from the source, which may have to be waited for."""
        tasks = [*islice(self._tasks, self._block)]
        with self._changed:
            if len(tasks) < self._block:
                self._drained = True
                self._changed.notify_all()
            last = len(tasks) - 1
            self._first.extend(replace(task, behind=last - n) for n, task in enumerate(tasks))

    def settle(self, done: Done) -> bool:
        """Count a result; return whether the video is to be tried again for that store."""
        video = done.task.video.id
        with self._changed:
            retry = done.task.again(done.store) if isinstance(done.outcome, Failure) else None
            if retry is None:
                self.summaries[done.store].add(done.outcome)
            else:
                before = self._again.get(video, retry)
                self._again[video] = replace(before, tries={**before.tries, **retry.tries})
            left = self._out.pop(video).without(done.store)
            if left is not None:
                self._out[video] = left
            elif again := self._again.pop(video, None):
                self._last.append(again)
            self._changed.notify_all()
        return retry is not None

    def lose(self, ids: Iterable[str], *, suspects: Container[str]) -> None:
        """Queue the tasks of a dead worker again, each alone; count its crash against `suspects`.

        They are the ids of the videos that it was at.
        """
        with self._changed:
            tasks = [self._out.pop(video).apart() for video in ids]
            crashes = [task.crashes + (task.video.id in suspects) for task in tasks]
            again = [replace(task, crashes=n) for task, n in zip(tasks, crashes, strict=True)]
            self._first.extendleft(reversed(again))
            self._changed.notify_all()

    def close(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._stop()
