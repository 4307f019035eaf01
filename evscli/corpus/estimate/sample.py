"""Which videos are looked into where there are many: the same whenever and wherever it is asked.

It follows from ids alone, so more videos change the sample little. Opens no video.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nsmallest

from evscli.corpus.inputs.remote import is_url
from evscli.corpus.outcome import file_size
from evscli.corpus.tasks import Task
from evscli.records import VideoInput

MOST_LOCAL = 200
"""Videos that are looked into unless another number is given."""

MOST_FETCHED = 20
"""The same where a video must be fetched for it."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Some of the tasks of a run, or all."""

    tasks: Sequence[Task]
    """In the order of the run if all, else in that of their hashes."""
    of: int
    """Jobs of the run."""
    bytes: int
    """Of the sources in the sample."""
    bytes_of: int
    """Of the sources of the run."""

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        return len(self.tasks) == self.of

    @property
    def factor(self) -> float:
        """From the sample to the run, by the bytes of their sources."""
        return self.bytes_of / self.bytes if self.bytes else 1.0

    @property
    def fetched(self) -> Sequence[VideoInput]:
        """Those that are downloaded to be looked into."""
        return [task.video for task in self.tasks if is_remote(task.video)]


def take_sample(tasks: Sequence[Task], most: int) -> Sample:
    """At most so many tasks, by the hashes of their ids."""
    chosen = tasks if most >= len(tasks) else in_hash_order(tasks, most)
    return Sample(tasks=chosen, of=len(tasks), bytes=_bytes(chosen), bytes_of=_bytes(tasks))


def in_hash_order(tasks: Sequence[Task], most: int) -> list[Task]:
    """The first tasks in an order that has nothing to do with what they are."""
    return nsmallest(most, tasks, key=lambda task: _digest(task.video.id))


def usual_size(tasks: Sequence[Task]) -> int:
    """How many videos to look into unless a number is given."""
    return MOST_FETCHED if any(is_remote(task.video) for task in tasks) else MOST_LOCAL


def is_remote(video: VideoInput) -> bool:
    """Whether it must be downloaded, not only copied out of a tar."""
    return video.held is not None and is_url(video.held.url)


def _bytes(tasks: Sequence[Task]) -> int:
    return sum(file_size(task.video) or 0 for task in tasks)


def _digest(video_id: str) -> bytes:
    return hashlib.sha256(video_id.encode("utf-8", "surrogateescape")).digest()
