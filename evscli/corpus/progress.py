"""How far a run is, by seconds of video, and when it will end.

How long a video is shows only when it is decoded, so what is left is estimated from the bytes of
its files: no header is opened for it. Knows no terminal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evscli.corpus.outcome import file_size
from evscli.corpus.tasks import Done, Task
from evscli.records import Failure

TINY = 1e-6
"""More than the shares of a video's segments lack when they are added up."""


@dataclass(frozen=True, kw_only=True)
class ProgressState:
    """A run at one moment."""

    videos: int
    done: int
    """Videos that are pruned or have failed for good."""
    failed: int
    seconds: float
    """Of video pruned."""
    seconds_expected: float | None
    """Of video in the whole run, by the bytes of what is left; None before the first video."""
    tokens: int
    kept: int
    elapsed: float
    """Seconds since the run began."""
    eta: float | None
    """Seconds that are left; None before the first video."""

    @property
    def speed(self) -> float:
        """Seconds of video in a second: how many times real time."""
        return self.seconds / self.elapsed if self.elapsed else 0.0

    @property
    def rate(self) -> float:
        """Videos in a second."""
        return self.done / self.elapsed if self.elapsed else 0.0


class Progress:
    """Counts the videos of a run; one that several stores want is done with the last of them."""

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
        """Count a result that stands; the seconds of video that came to an end with it."""
        video, outcome = done.task.video, done.outcome
        left = self._stores_left.setdefault(video.id, len(done.task.tries))
        self._stores_left[video.id] = left - 1
        if isinstance(outcome, Failure):
            self._failed.add(video.id)
        else:
            self._lengths[video.id] = outcome.duration
            self._tokens += outcome.tokens
            self._kept += outcome.kept
        if self._stores_left[video.id]:
            return 0.0
        del self._stores_left[video.id]
        self._done += done.task.share
        self._done_bytes += done.task.share * (file_size(video) or 0)
        seconds = self._lengths.pop(video.id, 0.0)
        self._seconds += seconds
        return seconds

    def state(self) -> ProgressState:
        """How far it is now."""
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
