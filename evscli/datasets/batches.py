"""TokenBatches: batches of whole videos whose kept tokens together stay within a budget.

Batches are made from the index alone, and no tensors are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from torch.utils.data import Sampler

from evscli.datasets.dataset import VideoDataset
from evscli.datasets.order import BUFFER, Rank, Shuffle
from evscli.errors import UsageError

WINDOW = 32
"""The number of batches that are filled at a time."""


class TokenBatches(Sampler[list[int]]):
    """A batch sampler: `DataLoader(dataset, batch_sampler=TokenBatches(dataset, max_tokens=...))`.

    Every epoch has every video once, over all ranks; each takes every `world_size`-th batch. The
    same arguments give the same batches everywhere.
    """

    def __init__(
        self,
        dataset: VideoDataset,
        *,
        max_tokens: int,
        max_videos: int | None = None,
        shuffle: bool = False,
        seed: int = 0,
        buffer: int = BUFFER,
        drop_last: bool = False,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        """Make batches of at most `max_tokens` kept tokens and `max_videos` videos.

        `drop_last` leaves out the last batches that not every rank would have, so that all ranks
        have equally many. `shuffle`, `seed`, `buffer`, `rank` and `world_size` are those of
        `VideoStream`. Raises UsageError, also for a video that is larger than `max_tokens`.
        """
        _check(dataset, max_tokens, max_videos)
        self._dataset = dataset
        self._limits = (max_tokens, max_videos or len(dataset))
        self._shuffle = Shuffle(seed=seed, buffer=buffer) if shuffle else None
        self._drop_last = drop_last
        self._rank = Rank(rank, world_size)
        self.set_epoch(0)

    def set_epoch(self, epoch: int, *, start: int = 0) -> None:
        """Set the epoch's order; leave out this rank's first `start` batches, to go on there."""
        self._epoch, self._start = epoch, start
        self._batches: list[list[int]] | None = None

    def __len__(self) -> int:
        """Return the number of batches of this rank."""
        return len(self._mine())

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._mine())

    def _mine(self) -> list[list[int]]:
        if self._batches is None:
            order = np.arange(len(self._dataset))
            if self._shuffle:
                order = self._shuffle.order(self._dataset.index.shard, self._epoch)
            sizes = self._dataset.kept[order]
            self._batches = list(first_fit(order.tolist(), sizes.tolist(), *self._limits))
        rank, world_size = self._rank()
        count = len(self._batches)
        if self._drop_last:
            count -= count % world_size
        return self._batches[rank:count:world_size][self._start :]


def first_fit(
    items: Iterable[int], sizes: Iterable[int], most_size: int, most_items: int
) -> Iterator[list[int]]:
    """Put each item into the first of the batches being filled that has room for it.

    When `WINDOW` of them are too full for an item, the oldest is done. No item exceeds `most_size`.
    """
    filling: list[_Batch] = []
    for item, size in zip(items, sizes, strict=True):
        for batch in filling:
            if batch.room >= size:
                break
        else:
            if len(filling) == WINDOW:
                yield filling.pop(0).items
            filling.append(batch := _Batch(most_size))
        batch.items.append(item)
        batch.room -= size
        if not batch.room or len(batch.items) == most_items:
            filling.remove(batch)
            yield batch.items
    for batch in filling:
        yield batch.items


class _Batch:
    """A batch being filled."""

    __slots__ = ("items", "room")

    def __init__(self, room: int) -> None:
        self.items: list[int] = []
        self.room = room


def _check(dataset: VideoDataset, max_tokens: int, max_videos: int | None) -> None:
    if max_tokens < 1 or (max_videos is not None and max_videos < 1):
        raise UsageError(
            f"max_tokens is {max_tokens} and max_videos {max_videos}: give numbers of 1 or more"
        )
    larger = np.flatnonzero(dataset.kept > max_tokens)
    if larger.size:
        largest = int(dataset.kept.argmax())
        raise UsageError(
            f"{larger.size} of {len(dataset)} videos keep more than max_tokens={max_tokens}, "
            f"{dataset.id(largest)!r} {dataset.kept[largest]}: raise it, or leave them out by "
            f"dataset.select(np.flatnonzero(dataset.kept <= {max_tokens}))"
        )
