"""Several workers, a process for each device, and who hands out the work to them.

One that dies is replaced, and what it had is handed out again; a video during which two have died
has failed. Knows no terminal, and of stores only where they are.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Self

from evscli.corpus.decoding.children import start_child
from evscli.corpus.dispatch import Dispatch
from evscli.corpus.engine import Engine, MakePruner
from evscli.corpus.jobs import Done, Job
from evscli.corpus.member import Assignment, Begun, Finished, Stopped, Up, Want, work
from evscli.errors import EvsError
from evscli.store import open_store

DEATHS = 3
"""Workers on one device that may die one after the other without any result."""


class Member:
    """One worker as the crew sees it."""

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self.has: dict[str, Job] = {}
        """By id, what was handed to it and has not come back whole."""
        self.deaths = 0
        self.suspect: str | None = None
        """What the one before was at when it died."""
        self.start()

    def start(self) -> None:
        """Start its process."""
        self.link, theirs = multiprocessing.Pipe()
        self.process = start_child(work, theirs, self.assignment, parent=True)
        theirs.close()
        self.up = self.finished = False
        self.at: str | None = None
        self.wants = 0

    def give(self, job: Job | None) -> None:
        """Hand it a job, or say that there are no more."""
        self.wants -= 1
        if job is not None:
            self.has[job.video.id] = job
        with suppress(ConnectionError):  # a death is heard of when something is expected of it
            self.link.send(job)

    def take_back(self, done: Done) -> None:
        """One store's result has come."""
        video = done.job.video.id
        if (left := self.has.pop(video).without(done.store)) is not None:
            self.has[video] = left
        self.deaths = 0

    def bury(self) -> str:
        """How its process ended."""
        self.process.join(timeout=5)
        self.process.kill()
        self.process.join()
        code = self.process.exitcode
        self.link.close()
        return signal.Signals(-code).name if code and code < 0 else f"exit code {code}"


class Crew:
    """A worker for every device; use it in a `with` statement."""

    def __init__(
        self,
        make: MakePruner,
        folders: Sequence[Path],
        engine: Engine,
        *,
        remark: Callable[[str], None],
    ) -> None:
        """Starts nothing yet; `remark` is told of workers that died."""
        self._assignments = [
            Assignment(
                make=make,
                device=device,
                folders=tuple(folders),
                engine=engine,
                writer=number,
            )
            for device, number in zip(engine.devices, engine.numbers, strict=True)
        ]
        self._most = 2 * engine.lanes + 2
        self._remark = remark
        self._members: list[Member] = []

    def __enter__(self) -> Self:
        """Start the workers and wait until all have loaded the model and opened their stores.

        Raises what keeps one of them from it.
        """
        try:
            self._members = [Member(assignment) for assignment in self._assignments]
            while not all(member.up for member in self._members):
                for member, message in self._heard():
                    self._note(member, message)
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

    def results(self, dispatch: Dispatch) -> Iterator[Done]:
        """Have all jobs done; yields results as they come, which the caller settles."""
        while not dispatch.settled:
            for member in self._members:
                while member.wants and len(member.has) < self._most and (job := dispatch.take()):
                    member.give(job)
            for member, message in self._heard():
                if message is None:
                    self._replace(member)
                elif isinstance(message, Up):
                    member.up = True
                    yield from self._regain(member, dispatch)
                elif isinstance(message, Done):
                    member.take_back(message)
                    yield message
                else:
                    self._note(member, message)

    def _heard(self) -> list[tuple[Member, object]]:
        """What workers have said since; None for one that is dead."""
        by_link = {member.link: member for member in self._members if not member.finished}
        heard = []
        for link in wait([*by_link]):
            assert isinstance(link, Connection)
            try:
                message = link.recv()
            except (EOFError, ConnectionError):
                message = None
            heard.append((by_link[link], message))
        return heard

    def _note(self, member: Member, message: object) -> None:
        if isinstance(message, Stopped):
            raise message.error
        if isinstance(message, Up):
            member.up = True
        elif isinstance(message, Want):
            member.wants += 1
        elif isinstance(message, Begun):
            member.at = message.video
        elif isinstance(message, Finished):
            member.finished = True
        else:
            raise EvsError(
                f"the worker on {member.assignment.device} ended ({member.bury()}) while it loaded "
                "the model or wrote its last shard: check the machine's memory and disk, then run "
                "the same command again"
            )

    def _replace(self, member: Member) -> None:
        how, device = member.bury(), member.assignment.device
        member.deaths += 1
        if member.deaths >= DEATHS:
            raise EvsError(
                f"{DEATHS} workers on {device} died one after the other ({how}): check the "
                "machine's memory, then run the same command again"
            )
        self._remark(f"the worker on {device} died ({how}); another one goes on with its videos")
        member.suspect = member.at
        member.start()

    def _regain(self, member: Member, dispatch: Dispatch) -> Iterator[Done]:
        """Results that a dead worker did not come to tell; what has none is handed out again.

        Asked when the next one has listed what it left, so that no video is done twice.
        """
        stores = [open_store(folder) for folder in member.assignment.folders]
        had, member.has = member.has, {}
        for job in had.values():
            for number in job.tries:
                if job.video.id in stores[number]:
                    yield Done(job=job, store=number, outcome=stores[number].info(job.video.id))
        lost = [key for key, job in had.items() if any(key not in stores[n] for n in job.tries)]
        dispatch.lose(lost, suspect=member.suspect)

    def _finish(self) -> None:
        while not all(member.finished for member in self._members):
            for member in self._members:
                if member.wants:
                    member.give(None)
            for member, message in self._heard():
                self._note(member, message)

    def _stop(self) -> None:
        """End all that still run; they write what they have finished."""
        for member in self._members:
            if member.process.is_alive():
                member.process.terminate()
        for member in self._members:
            member.process.join()
