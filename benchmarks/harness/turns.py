"""Ways to do the same work, timed in turns in one process.

A spell in which the machine is slower then hits all of them, and so does what warms up. Every
second round runs them in reverse order, since what runs first may find caches as the last one left
them. A ratio is taken within each round.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Generic, TypeVar

T = TypeVar("T")

Clock = Callable[[], float]
"""A function that returns seconds since some moment."""


def clock_of(device: str, *, of_processor: bool = False) -> Clock:
    """Return the clock for work on a device: elapsed time, on CUDA once the device is done.

    With `of_processor` that of a CPU is the time of this process on it, which other work on the
    machine disturbs little.
    """
    if device == "cpu":
        return time.process_time if of_processor else time.perf_counter
    return _time_when_done


def _time_when_done() -> float:
    import torch

    torch.cuda.synchronize()
    return time.perf_counter()


@dataclass(frozen=True)
class Spread:
    """The median of some values, the least and the greatest of them."""

    median: float
    least: float
    most: float

    def text(self, form: str = ".2f", by: float = 1.0) -> str:
        """Return it, multiplied, as `9.47 (9.31 to 9.60)`; one value alone has no spread."""
        middle, low, high = (format(by * each, form) for each in self.values)
        return middle if self.least == self.most else f"{middle} ({low} to {high})"

    @property
    def values(self) -> tuple[float, float, float]:
        """The three values."""
        return self.median, self.least, self.most


def spread_of(values: list[float]) -> Spread:
    """Return the spread of values, of which there is one at least."""
    return Spread(median(values), min(values), max(values))


def medians_of(spreads: Mapping[str, Spread]) -> dict[str, float]:
    """Return the figures of a report for some spreads."""
    return {name: spread.median for name, spread in spreads.items()}


def ranges_of(spreads: Mapping[str, Spread]) -> dict[str, tuple[float, float]]:
    """Return the spread of a report for some spreads, those of one value left out."""
    return {
        name: (spread.least, spread.most)
        for name, spread in spreads.items()
        if spread.least < spread.most
    }


@dataclass(frozen=True)
class Turns(Generic[T]):
    """The times of ways that took turns."""

    seconds: Mapping[str, list[float]]
    """The seconds of each round by way, in the order of the rounds."""
    last: Mapping[str, T]
    """The results of the last round by way."""

    def of(self, way: str) -> Spread:
        """Return the spread of the seconds of a way."""
        return spread_of(self.seconds[way])

    def ratio(self, way: str, to: str) -> Spread:
        """Return the spread of the time of a way as a multiple of another's in the same round."""
        pairs = zip(self.seconds[way], self.seconds[to], strict=True)
        return spread_of([one / other for one, other in pairs])

    @property
    def medians(self) -> dict[str, float]:
        """The median seconds by way."""
        return {way: self.of(way).median for way in self.seconds}


def take_turns(
    ways: Mapping[str, Callable[[], T]],
    *,
    rounds: int,
    warm: int = 1,
    clock: Clock = time.perf_counter,
    check: Callable[[Mapping[str, T]], object] = lambda _: None,
) -> Turns[T]:
    """Run all ways in every round, after `warm` rounds that are not counted.

    `check` is called with the results of each round, outside the time that is taken, and raises
    where they are not what they should be.
    """
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(-warm, rounds):
        last = {}
        for way in list(ways)[:: -1 if number % 2 else 1]:
            start = clock()
            last[way] = ways[way]()
            taken = clock() - start
            if number >= 0:
                seconds[way].append(taken)
        check(last)
    return Turns(seconds, last)
