"""The sample of videos that is surveyed where there are many: the same on every machine.

It follows from ids alone, so more videos change the sample little. No video is opened.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nsmallest

from evscli.corpus.inputs.remote import is_url
from evscli.corpus.tasks import Task, file_size
from evscli.records import VideoInput

MOST_LOCAL = 200
"""The number of videos that are surveyed unless another number is given."""

MOST_FETCHED = 20
"""The number of videos that are surveyed where one must be fetched first."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The sampled tasks of a run, or all."""

    tasks: Sequence[Task]
    """The tasks, in the order of the run if all, else in that of their hashes."""
    of: int
    """The number of tasks of the run."""
    bytes: int
    """The bytes of the sources in the sample."""
    bytes_of: int
    """The bytes of the sources of the run."""

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        return len(self.tasks) == self.of

    @property
    def factor(self) -> float:
        """The factor from the sample to the run, by the bytes of their sources."""
        return self.bytes_of / self.bytes if self.bytes else 1.0

    @property
    def fetched(self) -> Sequence[VideoInput]:
        """The videos that are downloaded for the survey."""
        return [task.video for task in self.tasks if is_remote(task.video)]


def take_sample(tasks: Sequence[Task], most: int) -> Sample:
    """Return a sample of at most `most` tasks, by the hashes of their ids."""
    chosen = tasks if most >= len(tasks) else in_hash_order(tasks, most)
    return Sample(tasks=chosen, of=len(tasks), bytes=_bytes(chosen), bytes_of=_bytes(tasks))


def in_hash_order(tasks: Sequence[Task], most: int) -> list[Task]:
    """Return the first `most` tasks in an order that is unrelated to their content."""
    return nsmallest(most, tasks, key=lambda task: _digest(task.video.id))


def usual_size(tasks: Sequence[Task]) -> int:
    """Return the number of videos to survey unless a number is given."""
    return MOST_FETCHED if any(is_remote(task.video) for task in tasks) else MOST_LOCAL


def is_remote(video: VideoInput) -> bool:
    """Return whether a video must be downloaded, not only copied out of a tar."""
    return video.held is not None and is_url(video.held.url)


def _bytes(tasks: Sequence[Task]) -> int:
    return sum(file_size(task.video) or 0 for task in tasks)


def _digest(video_id: str) -> bytes:
    return hashlib.sha256(video_id.encode("utf-8", "surrogateescape")).digest()
