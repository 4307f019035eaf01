"""Several workers, one for each device, and who hands out the work to them.

One that dies is replaced, and what it had is handed out again; a video during which two have died
has failed. Knows no terminal, of stores only where they are, and not what workers run in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

from evscli.corpus.dispatch import Dispatch
from evscli.corpus.engine import Engine, MakePruner
from evscli.corpus.jobs import Done, Job
from evscli.corpus.member import Assignment, Begun, Finished, Message, Stopped, Up, Want
from evscli.errors import EvsError
from evscli.store import open_store

DEATHS = 3
"""Workers on one device that may die one after the other without any result."""


class Link(Protocol):
    """A worker that was started, and the way to it."""

    @property
    def place(self) -> str:
        """Where it runs, for messages."""

    def give(self, job: Job | None) -> None:
        """Hand it a job, or say that there are no more; it may have died."""

    def bury(self) -> str:
        """Let nothing of a dead one be left; how it ended."""


LinkKind = TypeVar("LinkKind", bound=Link)


class Workforce(Protocol[LinkKind]):
    """What workers run in: starts them and carries what they say."""

    def start(self, assignment: Assignment) -> LinkKind:
        """Start a worker, without waiting for it."""

    def hear(
        self, links: Sequence[LinkKind]
    ) -> Sequence[tuple[LinkKind, Sequence[Message] | None]]:
        """Wait for words of some workers; None for one that is dead."""

    def stop(self, links: Sequence[LinkKind]) -> None:
        """End all that still run; they write what they have finished."""


class Member(Generic[LinkKind]):
    """One place in the crew, and the worker that has it now."""

    def __init__(self, workforce: Workforce[LinkKind], assignment: Assignment) -> None:
        """Start the worker."""
        self.assignment = assignment
        self._workforce = workforce
        self.has: dict[str, Job] = {}
        """By id, what was handed to it and has not come back whole."""
        self.deaths = 0
        self.suspect: str | None = None
        """What the one before was at when it died."""
        self._start(assignment)

    def _start(self, assignment: Assignment) -> None:
        self.link = self._workforce.start(assignment)
        self.up = self.finished = False
        self.at: str | None = None
        self.wants = 0

    def start_again(self) -> None:
        """Start another worker for a dead one."""
        self.suspect = self.at
        self._start(replace(self.assignment, replaces=True))

    def give(self, job: Job | None) -> None:
        """Hand it a job, or say that there are no more."""
        self.wants -= 1
        if job is not None:
            self.has[job.video.id] = job
        self.link.give(job)

    def take_back(self, done: Done) -> None:
        """One store's result has come."""
        video = done.job.video.id
        if (left := self.has.pop(video).without(done.store)) is not None:
            self.has[video] = left
        self.deaths = 0


class Crew(Generic[LinkKind]):
    """A worker for every device; use it in a `with` statement."""

    def __init__(
        self,
        workforce: Workforce[LinkKind],
        make: MakePruner,
        folders: Sequence[Path],
        engine: Engine,
        *,
        remark: Callable[[str], None],
    ) -> None:
        """Starts nothing yet; `remark` is told of workers that died."""
        self._workforce = workforce
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
        self._members: list[Member[LinkKind]] = []

    def __enter__(self) -> Self:
        """Start the workers and wait until all have loaded the model and opened their stores.

        Raises what keeps one of them from it.
        """
        try:
            for assignment in self._assignments:
                self._members.append(Member(self._workforce, assignment))
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

    def _heard(self) -> Iterator[tuple[Member[LinkKind], Message | None]]:
        """What workers have said since; None for one that is dead."""
        by_link = {member.link: member for member in self._members if not member.finished}
        for link, messages in self._workforce.hear([*by_link]):
            for message in [None] if messages is None else messages:
                yield by_link[link], message

    def _note(self, member: Member[LinkKind], message: Message | None) -> None:
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
                f"the worker on {member.link.place} ended ({member.link.bury()}) while it loaded "
                "the model or wrote its last shard: check the machine's memory and disk, then run "
                "the same command again"
            )

    def _replace(self, member: Member[LinkKind]) -> None:
        how, place = member.link.bury(), member.link.place
        member.deaths += 1
        if member.deaths >= DEATHS:
            raise EvsError(
                f"{DEATHS} workers on {place} died one after the other ({how}): check the "
                "machine's memory, then run the same command again"
            )
        self._remark(f"the worker on {place} died ({how}); another one goes on with its videos")
        member.start_again()

    def _regain(self, member: Member[LinkKind], dispatch: Dispatch) -> Iterator[Done]:
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
        self._workforce.stop([member.link for member in self._members])
