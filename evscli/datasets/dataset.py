"""VideoDataset: the videos of one store or of several, by number or by id.

A dataset travels to other processes as an index and paths; each opens the shards that it reads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from functools import lru_cache
from operator import index as integer
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from evscli.datasets.index import DatasetIndex, read_index
from evscli.errors import DamagedError, UsageError
from evscli.records import IntArray, PrunedVideo
from evscli.store.reader import Store, UnknownVideoError, open_store
from evscli.store.shard import Shard
from evscli.store.shard_header import check_fingerprint, damaged_shard

OPEN_SHARDS = 32
"""The number of shards kept open. The header of a full one takes a few MB."""


class VideoDataset(Dataset[PrunedVideo]):
    """Pruned videos, numbered in reading order: store by store, shard by shard, by id inside.

    It holds the videos that the stores hold when it is made; a video that a merge moves later is
    still found. Tensors of a record are views of its shard: nothing is read before it is used.
    """

    def __init__(self, *stores: str | Path, mixed: bool = False) -> None:
        """Read the manifests of stores' folders, or of single shard files.

        Raises UsageError without any store, StoreError and DamagedError as `open_store` does, and
        MismatchError where stores were made with different configurations and may not be `mixed`.
        """
        if not stores:
            raise UsageError("a dataset needs a store: name the folder that evs prune wrote")
        self._use(read_index([Path(store) for store in stores], mixed=mixed))

    def _use(self, index: DatasetIndex) -> None:
        self.index = index
        self._shards = OpenShards(index)

    @property
    def kept(self) -> IntArray:
        """The tokens kept [N] of each video."""
        return self.index.kept

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, key: int | str) -> PrunedVideo:
        """Return one video by number or by id.

        Raises IndexError, or StoreError (also a KeyError) for an unknown id, UsageError for one
        that several stores hold, DamagedError.
        """
        number = self.number(key) if isinstance(key, str) else integer(key)
        if not -len(self) <= number < len(self):
            raise IndexError(f"video {number} of {len(self)}")
        return self._shards.record(number % len(self))

    def __iter__(self) -> Iterator[PrunedVideo]:
        return map(self.__getitem__, range(len(self)))

    def __repr__(self) -> str:
        return f"VideoDataset({len(self)} videos, {int(self.kept.sum())} tokens)"

    def id(self, number: int) -> str:
        """Return the id of one video."""
        return self.index.id(number)

    def number(self, video_id: str) -> int:
        """Return the number of one video. Raises as `[id]` does."""
        found = self.index.find(video_id)
        if not found:
            raise UnknownVideoError(
                f"no video {video_id!r} among {len(self)}: give one of their ids"
            )
        if len(found) > 1:
            raise UsageError(
                f"video {video_id!r} is in {len(found)} stores: name it by number, of {found}"
            )
        return found[0]

    def select(self, numbers: Sequence[int] | IntArray) -> VideoDataset:
        """Return a dataset of some of the videos in the order given, to split or to filter.

            train = dataset.select(np.flatnonzero(dataset.kept <= 8192))

        Raises IndexError.
        """
        rows = np.asarray(numbers, dtype=np.int64)
        if rows.size and not -len(self) <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"videos {rows.min()} to {rows.max()} of {len(self)}")
        selected = copy(self)
        selected._use(self.index.take(rows % max(len(self), 1)))
        return selected


class OpenShards:
    """The videos of an index and the open shards of one process; a copy has none open at first."""

    def __init__(self, index: DatasetIndex) -> None:
        self._index = index
        self._process: int | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_index": self._index, "_process": None}

    def record(self, row: int) -> PrunedVideo:
        """Return one video. Raises DamagedError, or StoreError for a shard that is gone."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._shard: Callable[[int], Shard] = lru_cache(OPEN_SHARDS)(self._open_shard)
            self._store: Callable[[Path], Store] = lru_cache(OPEN_SHARDS)(open_store)
        number, video_id = int(self._index.shard[row]), self._index.id(row)
        path = self._index.shards[number]
        try:
            shard = self._shard(number)
        except DamagedError:
            if path.exists():
                raise
            return self._store(path.parent)[video_id]  # a merge has moved it
        if video_id not in shard.videos:
            raise damaged_shard(path, f"the manifest says it holds {video_id!r}")
        return shard.record(video_id)

    def _open_shard(self, number: int) -> Shard:
        shard = Shard(self._index.shards[number])
        check_fingerprint(shard.header, self._index.fingerprints[number])
        return shard
