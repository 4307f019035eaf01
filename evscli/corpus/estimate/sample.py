"""Which videos are looked into where there are many: the same whenever and wherever it is asked.

It follows from ids alone, so more videos change the sample little. Opens no video.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nsmallest

from evscli.corpus.inputs.remote import is_url
from evscli.corpus.jobs import Job
from evscli.corpus.outcome import file_size
from evscli.records import VideoInput

MOST = 200
"""Videos that are looked into unless another number is given."""

MOST_FETCHED = 20
"""The same where a video must be fetched for it."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Some of the jobs of a run, or all."""

    jobs: Sequence[Job]
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
        return len(self.jobs) == self.of

    @property
    def factor(self) -> float:
        """From the sample to the run, by the bytes of their sources."""
        return self.bytes_of / self.bytes if self.bytes else 1.0

    @property
    def fetched(self) -> Sequence[VideoInput]:
        """Those that are downloaded to be looked into."""
        return [job.video for job in self.jobs if is_remote(job.video)]


def take_sample(jobs: Sequence[Job], most: int) -> Sample:
    """At most so many jobs, by the hashes of their ids."""
    chosen = jobs if most >= len(jobs) else in_hash_order(jobs, most)
    return Sample(jobs=chosen, of=len(jobs), bytes=_bytes(chosen), bytes_of=_bytes(jobs))


def in_hash_order(jobs: Sequence[Job], most: int) -> list[Job]:
    """The first jobs in an order that has nothing to do with what they are."""
    return nsmallest(most, jobs, key=lambda job: _digest(job.video.id))


def usual_size(jobs: Sequence[Job]) -> int:
    """How many videos to look into unless a number is given."""
    return MOST_FETCHED if any(is_remote(job.video) for job in jobs) else MOST


def is_remote(video: VideoInput) -> bool:
    """Whether it must be downloaded, not only copied out of a tar."""
    return video.held is not None and is_url(video.held.url)


def _bytes(jobs: Sequence[Job]) -> int:
    return sum(file_size(job.video) or 0 for job in jobs)


def _digest(video_id: str) -> bytes:
    return hashlib.sha256(video_id.encode("utf-8", "surrogateescape")).digest()
