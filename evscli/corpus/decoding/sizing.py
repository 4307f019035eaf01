"""The number of decoder processes of one worker, by how long its encoder waits for frames."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from evscli.corpus.decoding.process import DecoderProcess

FIRST = 1
"""The number of decoder processes that a worker begins with, unless a number is given."""

MOST_WAITING = 0.1
"""The share of its time that an encoder may wait for frames before it gets more decoders."""


@dataclass(frozen=True, kw_only=True)
class Decoders:
    """The decoder processes that one worker may have."""

    make: Callable[[], DecoderProcess]
    """Makes one more, not yet started."""
    first: int
    """The number at the beginning, at least 1."""
    most: int
    """The number that is never exceeded."""


class Watch:
    """A watch over an encoder that some lanes of decoders feed.

    The first video of the newest lane is left out: until it has come, that lane could not help.
    """

    def __init__(self, lanes: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Set the number of lanes. Time counts once the newest of them has fed the encoder."""
        self._lanes = lanes
        self._clock = clock
        self._fed = False
        self._videos = 0
        self._began: tuple[float, float] | None = None
        """The time at which a turn of all lanes began, and the seconds waited until then."""

    def next(self, waited: float, *, newest: bool) -> float | None:
        """Take the beginning of a video, of the `newest` lane or another.

        `waited` are the seconds that the encoder has waited for frames since the beginning of the
        run. Returns the share of its time that it waited in the last turn, a video for each lane,
        where one ends here; otherwise None.
        """
        if not self._fed:
            self._fed = newest
            return None
        self._videos += 1
        if self._began is not None and self._videos < self._lanes:
            return None
        began, self._began, self._videos = self._began, (self._clock(), waited), 0
        return None if began is None else share_between(began, self._began)


def share_between(began: tuple[float, float], ended: tuple[float, float]) -> float:
    """Return the share of the time between two moments, each (time, seconds waited), waited in."""
    return (ended[1] - began[1]) / max(ended[0] - began[0], 1e-9)


def enough(lanes: int, waiting: float) -> int:
    """Return the number of lanes for an encoder that waits this share of its time for `lanes`.

    The encoder works for the rest of the time, so that `lanes / (1 - waiting)` would feed it
    without a pause. They are doubled at most, since a share of nearly 1 says little.
    """
    if waiting <= MOST_WAITING:
        return lanes
    return ceil(lanes / max(1 - waiting, 0.5))
