"""The work that is left: videos that a store does not hold, and failed ones to be tried again.

Contents of videos are read only where their hashes are asked for.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from evscli.corpus.inputs import local_file
from evscli.corpus.tasks import Summary, Task, file_size
from evscli.errors import MismatchError, StoreBusyError
from evscli.provenance import file_digest
from evscli.records import Failure, Origin, Part, RunConfig, VideoInput
from evscli.store import StoreWriter
from evscli.store.catalogue import read_catalogue
from evscli.store.failures import read_failures
from evscli.store.schema import list_writers, staging_folder


@dataclass(frozen=True, kw_only=True)
class Retries:
    """The rule by which failed videos are tried again."""

    failed: bool = False
    """Whether videos that failed in earlier runs are tried again."""
    attempts: int = 1
    """The most tries of a video, in all runs together; with `failed` in this run."""

    def left(self, failure: Failure | None, video: VideoInput) -> int:
        """Return the number of tries that a video has left, given its last failure.

        A changed file is a new video, and so is one that has appeared or disappeared since.
        """
        if failure is None or self.failed or failure.size != file_size(video):
            return self.attempts
        return max(0, self.attempts - failure.attempt)


@dataclass(frozen=True, kw_only=True)
class StoreState:
    """The finished and failed videos of a store."""

    finished: Mapping[str, Origin]
    """The origin of every video in the store, by id."""
    failed: Mapping[str, Failure]
    """The last failure of every video that ever failed, by id."""


def read_state(folder: Path) -> StoreState:
    """Return the state of a store, empty where there is none. Raises StoreError."""
    if not folder.exists():
        return StoreState(finished={}, failed={})
    finished = read_catalogue(folder, keep=attrgetter("origin")).finished
    return StoreState(finished=finished, failed=read_failures(folder))


def recover_orphans(stores: Iterable[tuple[Path, RunConfig]], *, but: Container[int]) -> None:
    """Put into shards the videos that killed runs of other writer numbers left without one.

    The numbers in `but`, and runs that are alive, are left alone. One of several runs that begin at
    a time must not call it: it would hold their numbers for a moment. Raises StoreError.
    """
    for folder, config in stores:
        for writer in list_writers(folder) if folder.is_dir() else ():
            if writer not in but and staging_folder(folder, writer).exists():
                with suppress(StoreBusyError), StoreWriter(folder, config, writer=writer):
                    pass


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """The stores of a run, and the rules by which they lack videos."""

    states: Sequence[StoreState]
    summaries: Sequence[Summary]
    """The counts for each store, to which videos that need no work are added."""
    retries: Retries
    check_sources: bool = False
    """Whether the content of finished videos is compared by hashes, and not by sizes alone."""

    def tasks(self, videos: Iterable[VideoInput], *, compared: bool = False) -> list[Task]:
        """Return the tasks that are left, in the order of `videos`; count the other videos.

        Raises MismatchError where a store holds another source or query under the same id, unless
        that was `compared` before.
        """
        tasks = []
        for video in videos:
            for state in self.states:
                if not compared and (stored := state.finished.get(video.id)) is not None:
                    refuse_changed(video, stored, check_sources=self.check_sources)
            if tries := dict(self._tries(video)):
                failed = any(video.id in state.failed for state in self.states)
                tasks.append(Task(video=video, tries=tries, alone=failed))
        return tasks

    def _tries(self, video: VideoInput) -> Iterator[tuple[int, int]]:
        for number, (state, summary) in enumerate(zip(self.states, self.summaries, strict=True)):
            if video.id in state.finished:
                summary.skipped += 1
            elif left := self.retries.left(state.failed.get(video.id), video):
                yield number, left
            else:
                summary.failed_earlier += 1


def refuse_changed(video: VideoInput, stored: Origin, *, check_sources: bool) -> None:
    """Raise MismatchError where the store was made from another `video`.

    A file that is not there any more contradicts nothing; only its hash is missing.
    """
    size, source = file_size(video), stored.source
    if size is None and check_sources:
        changed = "is not there to be hashed again"
    elif size not in (None, source.size):
        changed = f"has {size:,} bytes, the stored one had {source.size:,}"
    elif check_sources and _digest(video) != source.sha256:
        changed = "has other content than the stored one"
    elif stored.query is not None and video.query != stored.query:
        raise MismatchError(
            f"{video.name} was pruned by the query {stored.query!r} under the id {video.id!r}, and "
            f"now it is {video.query!r}; prune it into another store with -o, or ask the same"
        )
    elif (now := _span(video)) != (then := _span(stored.part)):
        raise MismatchError(
            f"{video.name} was pruned from {then} under the id {video.id!r}, and now {now} is "
            "wanted; prune it into another store with -o, or leave the id out of the list"
        )
    else:
        return
    raise MismatchError(
        f"{video.name} {changed} under the id {video.id!r}; "
        "prune it into another store with -o, or restore the old file"
    )


def _span(part: VideoInput | Part | None) -> str:
    start, end = (None, None) if part is None else (part.start, part.end)
    return f"{start or 0.0} s to {'its end' if end is None else f'{end} s'}"


def _digest(video: VideoInput) -> str:
    with local_file(video) as path:
        return file_digest(path)[1]
