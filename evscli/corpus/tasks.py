"""What travels between those who hand out work and those who do it."""

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
    """By the number of a store, how often it may be tried for that store."""
    crashes: int = 0
    """Workers that died while they were at it."""
    share: float = 1.0
    """Of what is to be done of its source."""
    fault: VideoError | None = None
    """Why its source cannot be cut into segments; then it is the first of them."""

    def again(self, store: int) -> Task | None:
        """The same for one store where it has just failed; None where its tries are used up."""
        left = self.tries[store] - 1
        return replace(self, tries={store: left}) if left else None

    def without(self, store: int) -> Task | None:
        """The same without a store; None where it was the last."""
        tries = {number: left for number, left in self.tries.items() if number != store}
        return replace(self, tries=tries) if tries else None

    def joined(self, other: Task) -> Task:
        """The same video for the stores of both."""
        return replace(self, tries={**self.tries, **other.tries})

    def after_crash(self) -> Task:
        """The same with one dead worker more."""
        return replace(self, crashes=self.crashes + 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What became of one task in one of its stores."""

    task: Task
    store: int
    outcome: Outcome
