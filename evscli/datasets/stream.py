"""VideoStream: the videos of a dataset one after the other, shard by shard.

Every rank and every process of a DataLoader reads a run of its own of the epoch's order, so that
all together see every video once, whatever their numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from evscli.datasets.dataset import VideoDataset
from evscli.datasets.order import BUFFER, Rank, Shuffle, part
from evscli.records import IntArray, PrunedVideo


class VideoStream(IterableDataset[PrunedVideo]):
    """The videos of a dataset in reading order, or shuffled.

        stream = VideoStream(VideoDataset("store"), shuffle=True)
        loader = DataLoader(stream, batch_size=8, num_workers=4, collate_fn=pack_videos)
        for epoch in range(3):
            stream.set_epoch(epoch)
            for batch in loader: ...

    The numbers of videos of two ranks differ by one at most.
    """

    def __init__(
        self,
        dataset: VideoDataset,
        *,
        shuffle: bool = False,
        seed: int = 0,
        buffer: int = BUFFER,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        """Read in order, or with `shuffle` shards at random, with videos mixed in `buffer` blocks.

        Rank and world size are those of `torch.distributed` where they are not given. Raises
        UsageError.
        """
        self.dataset = dataset
        self._shuffle = Shuffle(seed=seed, buffer=buffer) if shuffle else None
        self._rank = Rank(rank, world_size)
        self._epoch = torch.zeros((), dtype=torch.int64)
        # Shared memory, so that processes which outlive an epoch get the number of the next.
        self._epoch.share_memory_()  # type: ignore[no-untyped-call]

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, and so the order of the next pass."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        """Return the number of videos of this rank."""
        rank, world_size = self._rank()
        return len(range(len(self.dataset))[part(len(self.dataset), rank, world_size)])

    def __iter__(self) -> Iterator[PrunedVideo]:
        (rank, world_size), loader = self._rank(), get_worker_info()
        number, processes = (loader.id, loader.num_workers) if loader else (0, 1)
        rows = self._order()[part(len(self.dataset), rank, world_size)]
        for row in rows[part(len(rows), number, processes)].tolist():
            yield self.dataset[row]

    def _order(self) -> IntArray:
        if self._shuffle is None:
            return np.arange(len(self.dataset))
        return self._shuffle.order(self.dataset.index.shard, int(self._epoch))
