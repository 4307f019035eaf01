"""The order in which conversations come: another in every epoch, those about one video together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Generic, TypeVar

import numpy as np

from evscli.train.tuning.conversations import VideoConversation

T = TypeVar("T")

AT_ONCE = 8
"""The most conversations about one video that come one after the other, to be run as one row."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Taken(Generic[T]):
    """The examples of one step. Those about one video follow each other, or are one."""

    examples: Sequence[T]
    left_out: Sequence[str] = ()
    """The examples that could not be read, each with the reason."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ShuffledConversations:
    """Conversations in an endless order, which follows from the seed."""

    conversations: Sequence[VideoConversation]
    seed: int

    @cached_property
    def chunks(self) -> Sequence[Sequence[int]]:
        """The numbers of the conversations, a few about one video at a time."""
        return chunked([one.video for one in self.conversations])

    def take(self, step: int, count: int) -> list[VideoConversation]:
        """Return the `count` conversations of a step, over the end of an epoch into the next."""
        return [self.conversations[self.order(step * count + place)] for place in range(count)]

    def order(self, place: int) -> int:
        """Return the number of the conversation at a place of the endless order."""
        epoch, index = divmod(place, len(self.conversations))
        return epoch_order(self, epoch)[index]


@lru_cache(maxsize=2)  # a batch may lie in two epochs
def epoch_order(shuffled: ShuffledConversations, epoch: int) -> Sequence[int]:
    """Return the numbers of all conversations in the order of an epoch."""
    order = np.random.default_rng([shuffled.seed, 5, epoch]).permutation(len(shuffled.chunks))
    return [number for chunk in order for number in shuffled.chunks[chunk]]


def chunked(videos: Sequence[str]) -> list[list[int]]:
    """Return the places of equal ids together, at most `AT_ONCE`, in the order of their firsts."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, video in enumerate(videos):
        places[video].append(place)
    return [
        some[at : at + AT_ONCE] for some in places.values() for at in range(0, len(some), AT_ONCE)
    ]
