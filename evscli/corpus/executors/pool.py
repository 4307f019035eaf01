"""The pool of workers, one for each device, and the distribution of tasks among them.

A worker that dies, or whose device fails, is replaced, and its tasks are handed out again; a video
during which two have died has failed. A block of tasks goes to one worker as a whole. The backend
decides whether workers are processes or actors.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

from evscli.corpus.executors.engine import Engine, MakePruner
from evscli.corpus.executors.queue import TaskQueue
from evscli.corpus.executors.worker import (
    Assignment,
    Begun,
    Finished,
    Lost,
    Message,
    Stopped,
    TaskWanted,
    Up,
)
from evscli.corpus.tasks import Done, Task
from evscli.errors import EvsError
from evscli.store import open_store

logger = logging.getLogger(__name__)

DEATHS = 3
"""The number of workers on one device that may die one after the other without any result."""


class Handle(Protocol):
    """A worker that was started, and the way to reach it."""

    @property
    def place(self) -> str:
        """The place where it runs, for messages."""

    def give(self, task: Task | None) -> None:
        """Send the worker a task, or None where there are no more; it may have died."""

    def reap(self) -> str:
        """Remove the rest of a dead worker; return how it ended."""


HandleKind = TypeVar("HandleKind", bound=Handle)


class Backend(Protocol[HandleKind]):
    """The means by which workers are started and their messages carried."""

    def start(self, assignment: Assignment) -> HandleKind:
        """Start a worker, without waiting for it."""

    def poll(
        self, handles: Sequence[HandleKind]
    ) -> Sequence[tuple[HandleKind, Sequence[Message] | None]]:
        """Wait for messages of some workers; None for one that is dead."""

    def stop(self, handles: Sequence[HandleKind]) -> None:
        """End all workers that still run; they write what they have finished."""


class Slot(Generic[HandleKind]):
    """One place in the pool, and the worker that has it now."""

    def __init__(self, backend: Backend[HandleKind], assignment: Assignment) -> None:
        """Start the worker."""
        self.assignment = assignment
        self._backend = backend
        self.has: dict[str, Task] = {}
        """The tasks that are meant for it and have not come back whole, by id."""
        self.deaths = 0
        self.suspects: Sequence[str] = ()
        """The ids of the videos that the worker before was at when it died."""
        self._start(assignment)

    def _start(self, assignment: Assignment) -> None:
        self.handle = self._backend.start(assignment)
        self.up = self.finished = False
        self.at: Sequence[str] = ()
        self.wants = 0
        self.waiting: deque[Task] = deque()
        """The tasks that it is still to be sent."""

    def start_again(self) -> None:
        """Start another worker for a dead one."""
        self.suspects = self.at
        self._start(replace(self.assignment, replaces=True))

    def reserve(self, tasks: Sequence[Task]) -> None:
        """Set tasks aside for the worker, which gets them all."""
        self.has |= {task.video.id: task for task in tasks}
        self.waiting.extend(tasks)

    def give(self, task: Task | None) -> None:
        """Send the worker a task, or None where there are no more."""
        self.wants -= 1
        self.handle.give(task)

    def take_back(self, done: Done) -> None:
        """Note that one store's result has come."""
        video = done.task.video.id
        if (left := self.has.pop(video).without(done.store)) is not None:
            self.has[video] = left
        self.deaths = 0


class WorkerPool(Generic[HandleKind]):
    """A pool with a worker for every device; use it in a `with` statement."""

    def __init__(
        self,
        backend: Backend[HandleKind],
        make: MakePruner,
        folders: Sequence[Path],
        engine: Engine,
    ) -> None:
        """Set the assignments. Nothing is started yet."""
        self._backend = backend
        stores = tuple(folders)
        self._assignments = [
            Assignment(make=make, device=device, folders=stores, engine=engine, writer=number)
            for device, number in zip(engine.devices, engine.numbers, strict=True)
        ]
        self._most = 2 * engine.lanes + 2
        self._slots: list[Slot[HandleKind]] = []
        self._remarks: set[str] = set()

    def __enter__(self) -> Self:
        """Start the workers and wait until all have loaded the model and opened their stores.

        Raises the error that keeps one of them from it.
        """
        try:
            for assignment in self._assignments:
                self._slots.append(Slot(self._backend, assignment))
            while not all(slot.up for slot in self._slots):
                for slot, message in self._polled():
                    self._note(slot, message)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Have all workers write what they have finished, and wait for that."""
        try:
            if kind is None:
                self._finish()
        finally:
            self._stop()

    def results(self, queue: TaskQueue) -> Iterator[Done]:
        """Have all tasks done; yield results as they come, which the caller settles."""
        while not queue.settled:
            for slot in self._slots:
                while slot.wants and (task := self._next(slot, queue)):
                    slot.give(task)
            for slot, message in self._polled():
                if message is None or isinstance(message, Lost):
                    self._replace(slot, message)
                elif isinstance(message, Up):
                    self._note(slot, message)
                    yield from self._regain(slot, queue)
                elif isinstance(message, Done):
                    slot.take_back(message)
                    yield message
                else:
                    self._note(slot, message)

    def _next(self, slot: Slot[HandleKind], queue: TaskQueue) -> Task | None:
        """Return the next task for a worker: the rest of a block goes to the one that began it."""
        if not slot.waiting and len(slot.has) < self._most:
            slot.reserve(queue.take_block())
        return slot.waiting.popleft() if slot.waiting else None

    def _polled(self) -> Iterator[tuple[Slot[HandleKind], Message | None]]:
        """Yield new messages of workers; None for a worker that is dead."""
        by_handle = {slot.handle: slot for slot in self._slots if not slot.finished}
        for handle, messages in self._backend.poll([*by_handle]):
            for message in [None] if messages is None else messages:
                yield by_handle[handle], message

    def _note(self, slot: Slot[HandleKind], message: Message | None) -> None:
        if isinstance(message, Stopped | Lost):
            raise message.error
        if isinstance(message, Up):
            slot.up = True
            self._say(message.remarks)
        elif isinstance(message, TaskWanted):
            slot.wants += 1
        elif isinstance(message, Begun):
            slot.at = message.videos
        elif isinstance(message, Finished):
            slot.finished = True
        else:
            raise EvsError(
                f"the worker on {slot.handle.place} ended ({slot.handle.reap()}) while it loaded "
                "the model or wrote its last shard: check the machine's memory and disk, then run "
                "the same command again"
            )

    def _say(self, remarks: Sequence[str]) -> None:
        """Report what no worker has remarked before."""
        for remark in dict.fromkeys(remarks):
            if remark not in self._remarks:
                logger.warning("%s", remark)
        self._remarks |= {*remarks}

    def _replace(self, slot: Slot[HandleKind], lost: Lost | None) -> None:
        """Start another worker for one that is dead, or that has `lost` its device."""
        how, place = slot.handle.reap(), slot.handle.place
        how = how if lost is None else f"its device failed: {lost.error.reason}"
        slot.deaths += 1
        if slot.deaths >= DEATHS:
            raise EvsError(
                f"{DEATHS} workers on {place} died one after the other ({how}): check the "
                "machine's memory and devices, then run the same command again"
            )
        logger.warning(
            "the worker on %s died (%s); another one goes on with its videos", place, how
        )
        slot.start_again()

    def _regain(self, slot: Slot[HandleKind], queue: TaskQueue) -> Iterator[Done]:
        """Yield results that a dead worker could not report, and queue its other tasks again.

        It is called when the next worker has listed what the dead one left, so that no video is
        done twice.
        """
        stores = [open_store(folder) for folder in slot.assignment.folders]
        had, slot.has = slot.has, {}
        for task in had.values():
            for number in task.tries:
                if task.video.id in stores[number]:
                    yield Done(task=task, store=number, outcome=stores[number].info(task.video.id))
        lost = [key for key, task in had.items() if any(key not in stores[n] for n in task.tries)]
        queue.lose(lost, suspects=slot.suspects)

    def _finish(self) -> None:
        while not all(slot.finished for slot in self._slots):
            for slot in self._slots:
                if slot.wants:
                    slot.give(None)
            for slot, message in self._polled():
                self._note(slot, message)

    def _stop(self) -> None:
        self._backend.stop([slot.handle for slot in self._slots])
