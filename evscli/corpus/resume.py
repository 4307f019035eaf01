"""The work that is left: videos that a store does not hold, and failed ones to be tried again.

Contents of videos are read only where their hashes are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from evscli.corpus.inputs import local_file
from evscli.corpus.outcome import Summary, file_size
from evscli.corpus.tasks import Task
from evscli.errors import MismatchError
from evscli.provenance import file_digest
from evscli.records import Failure, Origin, Part, VideoInput


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


class StoreState(Protocol):
    """The finished and failed videos of a store."""

    @property
    def finished(self) -> Mapping[str, Origin]:
        """The origin of every video in the store, by id."""

    @property
    def failed(self) -> Mapping[str, Failure]:
        """The last failure of every video that ever failed, by id."""


def work_left(
    videos: Sequence[VideoInput],
    states: Sequence[StoreState],
    summaries: Sequence[Summary],
    *,
    retries: Retries,
    check_sources: bool = False,
    compared: bool = False,
) -> list[Task]:
    """Return the tasks of a run, in the order of `videos`; count the other videos in `summaries`.

    Finished means the same id and size, with `check_sources` also the same hash. Raises
    MismatchError where a store holds another source or query under the same id, unless that was
    `compared` before.
    """
    tasks = []
    for video in videos:
        if not compared:
            refuse_any_changed(video, states, check_sources=check_sources)
        tries = dict(_tries(video, states, summaries, retries))
        if tries:
            tasks.append(Task(video=video, tries=tries))
    return tasks


def _tries(
    video: VideoInput,
    states: Sequence[StoreState],
    summaries: Sequence[Summary],
    retries: Retries,
) -> Iterator[tuple[int, int]]:
    for number, (state, summary) in enumerate(zip(states, summaries, strict=True)):
        if video.id in state.finished:
            summary.skipped += 1
        elif left := retries.left(state.failed.get(video.id), video):
            yield number, left
        else:
            summary.failed_earlier += 1


def refuse_any_changed(
    video: VideoInput, states: Iterable[StoreState], *, check_sources: bool
) -> None:
    """Raise MismatchError where one of the stores was made from another `video`."""
    for state in states:
        if (stored := state.finished.get(video.id)) is not None:
            refuse_changed(video, stored, check_sources=check_sources)


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
