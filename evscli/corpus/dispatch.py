"""Whose turn it is: jobs are handed out in order, come back as results, and some of them again.

Knows neither processes nor stores. May be used from several threads.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from evscli.corpus.jobs import Done, Job
from evscli.corpus.outcome import Summary
from evscli.records import Failure


class Dispatch:
    """The jobs of one run, and what has become of them."""

    def __init__(self, jobs: Sequence[Job], summaries: Sequence[Summary]) -> None:
        """Results are counted in `summaries`, one for each store."""
        self.summaries = [*summaries]
        self.jobs = len(jobs)
        """There were at the beginning."""
        self._changed = threading.Condition()
        self._ready = deque(jobs)
        self._out: dict[str, Job] = {}
        """By id, what was handed out, with the stores whose result has not come."""
        self._again: dict[str, Job] = {}
        self._ended = False

    def __iter__(self) -> Iterator[Job]:
        """Jobs until all are settled; waits while results may still bring some back."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ready or self.settled or self._ended)
                job = self.take()
            if job is None:
                return
            yield job

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do or to wait for."""
        return not self._ready and not self._out

    def take(self) -> Job | None:
        """The next job, if one is there now."""
        with self._changed:
            if self._ended or not self._ready:
                return None
            job = self._ready.popleft()
            self._out[job.video.id] = job
            return job

    def settle(self, done: Done) -> bool:
        """Count a result; whether that video is to be tried again for that store."""
        video = done.job.video.id
        with self._changed:
            retry = done.job.again(done.store) if isinstance(done.outcome, Failure) else None
            if retry is None:
                self.summaries[done.store].add(done.outcome)
            else:
                before = self._again.get(video)
                self._again[video] = before.joined(retry) if before else retry
            left = self._out.pop(video).without(done.store)
            if left is not None:
                self._out[video] = left
            elif again := self._again.pop(video, None):
                self._ready.append(again)
            self._changed.notify_all()
        return retry is not None

    def lose(self, ids: Iterable[str], *, suspect: str | None) -> None:
        """Hand out again what a dead worker had; the video it was at is counted as a suspect."""
        with self._changed:
            jobs = [self._out.pop(video) for video in ids]
            self._ready.extendleft(
                reversed([job.after_crash() if job.video.id == suspect else job for job in jobs])
            )
            self._changed.notify_all()

    def close(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
