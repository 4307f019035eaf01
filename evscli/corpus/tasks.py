"""The tasks that are handed out to workers, and the results that come back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from evscli.corpus.outcome import Outcome
from evscli.errors import VideoError
from evscli.records import VideoInput


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A video that some stores still want."""

    video: VideoInput
    tries: Mapping[int, int]
    """The number of tries that are left for each store, by the store's number."""
    crashes: int = 0
    """The number of workers that died while they were at the video."""
    share: float = 1.0
    """The fraction of what is to be done of the video's source."""
    fault: VideoError | None = None
    """The reason why its source cannot be cut into segments; the video is then the first of
    them."""

    def again(self, store: int) -> Task | None:
        """Return the task for a store where it has just failed; None without tries left."""
        left = self.tries[store] - 1
        return replace(self, tries={store: left}) if left else None

    def without(self, store: int) -> Task | None:
        """Return the task without one store; None where that was the last."""
        tries = {number: left for number, left in self.tries.items() if number != store}
        return replace(self, tries=tries) if tries else None

    def joined(self, other: Task) -> Task:
        """Return the task for the stores of both."""
        return replace(self, tries={**self.tries, **other.tries})

    def after_crash(self) -> Task:
        """Return the task with one dead worker more."""
        return replace(self, crashes=self.crashes + 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """The outcome of one task in one of its stores."""

    task: Task
    store: int
    outcome: Outcome
