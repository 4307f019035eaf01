"""The open shards of one process, opened when they are first read."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from evscli.datasets.index import DatasetIndex
from evscli.errors import DamagedError
from evscli.records import PrunedVideo
from evscli.store.reader import Store, open_store
from evscli.store.shard import Shard
from evscli.store.shard_header import check_fingerprint, damaged_shard

OPEN_SHARDS = 32
"""The number of shards kept open. The header of a full one takes a few MB."""


class OpenShards:
    """A reader of the videos of an index. A forked or pickled copy has no shard open at first."""

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
