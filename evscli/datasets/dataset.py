"""VideoDataset: the videos of one store or of several, by number or by id.

A dataset travels to other processes as an index and paths; each opens the shards that it reads. The
index is a few columns, which travel in one piece and which a forked process does not copy, while
reading a list of texts copies it.
"""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from operator import index as integer
from operator import methodcaller
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from evscli.errors import DamagedError, MismatchError, UsageError
from evscli.paths import path_text
from evscli.records import IntArray, PrunedVideo, VideoInfo
from evscli.store.manifest import shard_of
from evscli.store.reader import Store, UnknownVideoError, look_into, open_store, store_fingerprint
from evscli.store.schema import shard_number
from evscli.store.shard import Shard
from evscli.store.shard_header import damaged_shard, read_header

OPEN_SHARDS = 32
"""The number of shards kept open. The header of a full one takes a few MB."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DatasetIndex:
    """The N videos of stores in reading order: by store, by shard, and by id inside."""

    shards: tuple[Path, ...]
    """All shard files, in reading order."""
    fingerprints: tuple[str, ...]
    """The fingerprint of the store of every shard."""
    texts: bytes
    """All ids in UTF-8, one after the other."""
    ends: IntArray
    """[N] the byte in `texts` at which each id ends."""
    shard: NDArray[np.int32]
    """[N] the index in `shards` of each video's shard."""
    kept: IntArray
    """[N] the tokens kept of each video."""

    def __len__(self) -> int:
        return len(self.ends)

    def id(self, row: int) -> str:
        """Return the id of one video."""
        start = self.ends[row - 1] if row else 0
        return self.texts[start : self.ends[row]].decode()

    def find(self, video_id: str) -> list[int]:
        """Return the rows of an id's videos: several where stores of several methods are mixed."""
        first = bisect_left(self._by_id, video_id, key=self.id)
        return self._by_id[first : bisect_right(self._by_id, video_id, lo=first, key=self.id)]

    @cached_property
    def _by_id(self) -> list[int]:
        """All rows sorted by id, made when the first video is asked for by its id."""
        return sorted(range(len(self)), key=self.id)

    def take(self, rows: IntArray) -> DatasetIndex:
        """Return the index of some of the videos, in the order given."""
        texts, ends = _column([self.id(row) for row in rows.tolist()])
        shard, kept = self.shard[rows], self.kept[rows]
        return replace(self, texts=texts, ends=ends, shard=shard, kept=kept)


def read_index(
    stores: Sequence[Path], *, mixed: bool, at: Callable[[VideoInfo], VideoInfo] | None = None
) -> DatasetIndex:
    """Return the index of the videos that all stores hold now, each `at` a smaller budget.

    Raises StoreError and DamagedError as `open_store` does, and MismatchError where stores were
    made with different configurations, unless they may be `mixed`.
    """
    shards = [shard for store in stores for shard in _shards(store, at)]
    for shard in [] if mixed else shards:
        if shard.fingerprint != shards[0].fingerprint:
            raise MismatchError(
                f"{shard.path.parent} was made with another configuration than "
                f"{shards[0].path.parent}: give stores of one configuration, or mixed=True to take "
                "both"
            )
    texts, ends = _column([video_id for shard in shards for video_id, _ in shard.videos])
    lengths = [len(shard.videos) for shard in shards]
    kept = [kept for shard in shards for _, kept in shard.videos]
    return DatasetIndex(
        shards=tuple(shard.path for shard in shards),
        fingerprints=tuple(shard.fingerprint for shard in shards),
        texts=texts,
        ends=ends,
        shard=np.repeat(np.arange(len(shards), dtype=np.int32), lengths),
        kept=np.array(kept, dtype=np.int64),
    )


class _ShardRows(NamedTuple):
    """The finished videos of one shard."""

    path: Path
    fingerprint: str
    videos: Sequence[tuple[str, int]]
    """The (id, tokens kept) of each video, by id."""


def _shards(store: Path, at: Callable[[VideoInfo], VideoInfo] | None) -> list[_ShardRows]:
    """Return the shards of one store, by writer and number."""
    places = look_into(store, keep=lambda entry: (shard_of(entry), entry.kept)).finished
    videos: dict[str, list[tuple[str, int | None]]] = {}
    for video_id, (name, kept) in places.items():
        videos.setdefault(name, []).append((video_id, kept))
    folder, mark = (store if store.is_dir() else store.parent).absolute(), store_fingerprint(store)
    return [
        _ShardRows(folder / name, mark, _counted(folder / name, sorted(videos[name]), at))
        for name in sorted(videos, key=lambda name: shard_number(name) or ())
    ]


def _counted(
    path: Path,
    videos: Sequence[tuple[str, int | None]],
    at: Callable[[VideoInfo], VideoInfo] | None,
) -> list[tuple[str, int]]:
    """Return (id, tokens kept), from the shard where a manifest's lines do not hold them."""
    counts = {video_id: kept for video_id, kept in videos if kept is not None}
    if at is not None or len(counts) < len(videos):
        head, seen = read_header(path), at or (lambda info: info)
        counts = {video_id: seen(head.info(video_id)).kept for video_id, _ in videos}
    return [(video_id, counts[video_id]) for video_id, _ in videos]


def _column(ids: Sequence[str]) -> tuple[bytes, IntArray]:
    encoded = [video_id.encode() for video_id in ids]
    return b"".join(encoded), np.cumsum([len(text) for text in encoded], dtype=np.int64)


class VideoDataset(Dataset[PrunedVideo]):
    """Pruned videos, numbered in reading order: store by store, shard by shard, by id inside.

    It holds the videos that the stores hold when it is made; a video that a merge moves later is
    still found. Tensors of a record are views of its shard: nothing is read before it is used.
    """

    def __init__(
        self,
        *stores: str | Path,
        mixed: bool = False,
        budget: float | str | None = None,
        seed: int = 0,
    ) -> None:
        """Read the manifests of stores' folders, or of single shard files.

        `budget` is a smaller one than the stores', at which every video is read, and `seed` that of
        budgets drawn from a range, such as `0.1:0.9` (`PrunedVideo.at`).

        Raises UsageError without any store and for a budget that a video cannot have, StoreError
        and DamagedError as `open_store` does, and MismatchError where stores were made with
        different configurations and may not be `mixed`.
        """
        if not stores:
            raise UsageError("a dataset needs a store: name the folder that evs prune wrote")
        self._at = None if budget is None else methodcaller("at", budget, seed=seed)
        paths = [Path(path_text(store, "a store")) for store in stores]
        self._use(read_index(paths, mixed=mixed, at=self._at))

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
        record = self._shards.record(number % len(self))
        return record if self._at is None else self._at(record)

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
        return Shard(self._index.shards[number], self._index.fingerprints[number])
