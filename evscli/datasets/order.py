"""The order of videos in an epoch, and their division among ranks and processes.

Shards are numbers here, and none is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evscli.errors import UsageError
from evscli.records import IntArray

BUFFER = 1024
"""The default number of videos that are mixed with each other."""


@dataclass(frozen=True, kw_only=True)
class Shuffle:
    """A deterministic order for every epoch, in which neighbours mostly share a shard.

    Shards come in random order; then videos are mixed within blocks of `buffer`. numpy's
    RandomState promises never to change, so ranks with different versions agree.
    """

    seed: int
    buffer: int

    def __post_init__(self) -> None:
        """Raise UsageError for a negative seed or a buffer below 1."""
        if self.buffer < 1 or self.seed < 0:
            raise UsageError(
                f"seed is {self.seed} and buffer {self.buffer}: give a seed of 0 or more and a "
                "buffer of 1 or more"
            )

    def order(self, shard: NDArray[np.int32], epoch: int) -> IntArray:
        """Return the rows [N] in their order in an epoch, given the shard of every row."""
        numbers = np.random.RandomState([self.seed % 2**32, self.seed >> 32, epoch])
        by_shard = np.argsort(shard, kind="stable")
        starts = np.flatnonzero(np.diff(shard[by_shard], prepend=-1))
        pieces = np.split(by_shard, starts[1:])
        rows = np.concatenate([pieces[n] for n in numbers.permutation(len(pieces))])
        first = numbers.randint(self.buffer) + 1  # blocks end elsewhere in every epoch
        for start in range(first - self.buffer, len(rows), self.buffer):
            numbers.shuffle(rows[max(start, 0) : start + self.buffer])
        return rows


class Rank:
    """The rank of this process: as given, as in `torch.distributed`, or the only one.

    A pickle holds the answer, since processes that load data are not in a process group.
    """

    def __init__(self, rank: int | None, world_size: int | None) -> None:
        """Take both or neither. Raises UsageError unless 0 <= rank < world_size."""
        if (rank is None) != (world_size is None):
            raise UsageError("give both rank and world_size, or neither")
        if rank is not None and world_size is not None and not 0 <= rank < world_size:
            raise UsageError(f"rank {rank} of {world_size}: give 0 <= rank < world_size")
        self._given = None if rank is None or world_size is None else (rank, world_size)

    def __call__(self) -> tuple[int, int]:
        """Return (rank, world size)."""
        import torch.distributed as group

        if self._given is None and group.is_available() and group.is_initialized():
            return group.get_rank(), group.get_world_size()
        return self._given or (0, 1)

    def __getstate__(self) -> dict[str, Any]:
        return {"_given": self()}


def part(count: int, number: int, parts: int) -> slice:
    """Return one of `parts` runs that cover `count` rows once; sizes differ by at most 1."""
    return slice(number * count // parts, (number + 1) * count // parts)
