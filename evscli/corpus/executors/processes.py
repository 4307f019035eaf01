"""Workers in processes of this machine, each at the other end of a pipe."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from threading import Event, Lock

from evscli.child import Child, how_it_ended
from evscli.corpus.decoding.children import warm_up
from evscli.corpus.executors.worker import Assignment, Message, TaskWanted, work
from evscli.corpus.tasks import Task

AGAIN_SECONDS = 1.0
"""The seconds after which a worker that goes on is asked again to end."""

TASK_POLL_SECONDS = 0.2
"""The seconds between two checks of whether the worker has ended, while it waits for a task."""


class WorkerProcess(Child):
    """One worker's process, as its pool sees it."""

    def __init__(self, assignment: Assignment) -> None:
        """Start the process."""
        warm_up()
        super().__init__(_live, assignment, parent=True)
        self.place = assignment.device

    def give(self, task: Task | None) -> None:
        """Send the worker a task, or None where there are no more."""
        self.send(task)

    def reap(self) -> str:
        """End the process; return how it ended."""
        return how_it_ended(self.end(grace=5))

    def join(self) -> None:
        """Wait for the end of the process."""
        while not self.has_ended(within=AGAIN_SECONDS):
            self.terminate()  # Python drops an interrupt that comes in a finalizer


class ProcessBackend:
    """A backend of worker processes, with their messages in pipes."""

    def start(self, assignment: Assignment) -> WorkerProcess:
        """Start a worker."""
        return WorkerProcess(assignment)

    def poll(
        self, handles: Sequence[WorkerProcess]
    ) -> list[tuple[WorkerProcess, Sequence[Message] | None]]:
        """Wait for messages of some workers; None for one that is dead."""
        by_pipe = {handle.pipe: handle for handle in handles}
        return [(by_pipe[pipe], _receive(pipe)) for pipe in wait([*by_pipe])]  # type: ignore[index,arg-type]

    def stop(self, handles: Sequence[WorkerProcess]) -> None:
        """End all workers that still run; they write what they have finished."""
        for handle in handles:
            handle.terminate()
        for handle in handles:
            handle.join()


def _receive(pipe: Connection) -> list[Message] | None:
    try:
        return [pipe.recv()]
    except (EOFError, ConnectionError):
        return None


class PipeDriver:
    """The driver at the other end of a pipe."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._sending = Lock()
        self._ended = Event()

    def send(self, message: Message) -> None:
        """Send a message."""
        with self._sending:
            self._pipe.send(message)

    def __iter__(self) -> Iterator[Task]:
        """Yield tasks as they are handed out, until there are no more or the worker has ended."""
        while True:
            self.send(TaskWanted())
            while not self._pipe.poll(TASK_POLL_SECONDS):
                if self._ended.is_set():
                    return
            if (task := self._pipe.recv()) is None:
                return
            yield task

    def close(self) -> None:
        """Stop waiting for tasks."""
        self._ended.set()

    def interrupt(self, *_: object) -> None:
        """Raise KeyboardInterrupt, unless the worker is ending already."""
        if not self._ended.is_set():
            raise KeyboardInterrupt


def _live(pipe: Connection, assignment: Assignment) -> None:
    """Run a worker in its process. SIGTERM ends it with everything finished kept."""
    driver = PipeDriver(pipe)
    signal.signal(signal.SIGTERM, driver.interrupt)
    sys.unraisablehook = _without_interrupts
    work(driver, assignment)


def _without_interrupts(unraisable: sys.UnraisableHookArgs) -> None:
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
