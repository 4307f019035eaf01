"""The progress of a run in seconds of video, and the time at which it will end.

The length of a video shows only when it is decoded, so the rest is estimated from the bytes of its
files: no header is opened for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evscli.corpus.tasks import Done, Task, file_size
from evscli.records import Failure

TINY = 1e-6
"""A margin above the rounding error of a video's shares of segments when they are added up."""


@dataclass(frozen=True, kw_only=True)
class ProgressState:
    """A run at one moment."""

    videos: int
    done: int
    """The number of videos that are pruned or have failed for good."""
    failed: int
    seconds: float
    """The seconds of video pruned."""
    seconds_expected: float | None
    """The seconds of video in the whole run, by the bytes of what is left; None before the first
    video."""
    tokens: int
    kept: int
    elapsed: float
    """The seconds since the run began."""
    eta: float | None
    """The seconds that are left; None before the first video."""

    @property
    def speed(self) -> float:
        """The seconds of video pruned in a second: a multiple of real time."""
        return self.seconds / self.elapsed if self.elapsed else 0.0

    @property
    def rate(self) -> float:
        """The videos finished in a second."""
        return self.done / self.elapsed if self.elapsed else 0.0


class Progress:
    """The count of a run's videos; one for several stores is done with the last of them."""

    def __init__(
        self, tasks: Sequence[Task], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._began = clock()
        self._videos = len(tasks)
        self._bytes = sum(file_size(task.video) or 0 for task in tasks)
        self._stores_left = {task.video.id: len(task.tries) for task in tasks if task.tries}
        self._lengths: dict[str, float] = {}
        self._done = self._done_bytes = 0.0
        self._failed: set[str] = set()
        self._seconds = 0.0
        self._tokens = self._kept = 0

    def add(self, done: Done) -> float:
        """Count a result that stands; return the seconds of video that it completes."""
        video, outcome = done.task.video, done.outcome
        left = self._stores_left.pop(video.id, len(done.task.tries)) - 1
        if isinstance(outcome, Failure):
            self._failed.add(video.id)
        else:
            self._lengths[video.id] = outcome.duration
            self._tokens += outcome.tokens
            self._kept += outcome.kept
        if left:
            self._stores_left[video.id] = left
            return 0.0
        self._done += done.task.share
        self._done_bytes += done.task.share * (file_size(video) or 0)
        seconds = self._lengths.pop(video.id, 0.0)
        self._seconds += seconds
        return seconds

    def state(self) -> ProgressState:
        """Return the progress of this moment."""
        elapsed = self._clock() - self._began
        # Shares of segments do not add up to the last bit.
        done = min(self._done_bytes, self._bytes)
        share = done / self._bytes if self._bytes else 0.0
        left = self._bytes - done
        known = self._seconds / done if done else None
        return ProgressState(
            videos=self._videos,
            done=int(self._done + TINY),
            failed=len(self._failed),
            seconds=self._seconds,
            seconds_expected=None if known is None else self._seconds + left * known,
            tokens=self._tokens,
            kept=self._kept,
            elapsed=elapsed,
            eta=elapsed * (1 - share) / share if share else None,
        )
