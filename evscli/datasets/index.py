"""The videos of stores and their shards, in a few columns.

Columns travel to another process in one piece, and a forked process does not copy them, while
reading a list of texts copies it. No tensors are opened here.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evscli.errors import MismatchError
from evscli.records import IntArray
from evscli.store.manifest import shard_of
from evscli.store.reader import look_into, store_fingerprint
from evscli.store.schema import shard_number
from evscli.store.shard_header import read_header


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


def read_index(stores: Sequence[Path], *, mixed: bool) -> DatasetIndex:
    """Return the index of the videos that all stores hold now.

    Raises StoreError and DamagedError as `open_store` does, and MismatchError where stores were
    made with different configurations, unless they may be `mixed`.
    """
    shards = [shard for store in stores for shard in _shards(store)]
    for shard in [] if mixed else shards:
        if shard.fingerprint != shards[0].fingerprint:
            raise _mixed(shards[0].path.parent, shard.path.parent)
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


def _shards(store: Path) -> list[_ShardRows]:
    """Return the shards of one store, by writer and number."""
    places = look_into(store, keep=lambda entry: (shard_of(entry), entry.kept)).finished
    videos: dict[str, list[tuple[str, int | None]]] = {}
    for video_id, (name, kept) in places.items():
        videos.setdefault(name, []).append((video_id, kept))
    folder, mark = (store if store.is_dir() else store.parent).absolute(), store_fingerprint(store)
    return [
        _ShardRows(folder / name, mark, _counted(folder / name, sorted(videos[name])))
        for name in sorted(videos, key=lambda name: shard_number(name) or ())
    ]


def _counted(path: Path, videos: Sequence[tuple[str, int | None]]) -> list[tuple[str, int]]:
    """Return (id, tokens kept), from the shard where lines of older stores do not hold them."""
    counts = {video_id: kept for video_id, kept in videos if kept is not None}
    if len(counts) < len(videos):
        head = read_header(path)
        counts = {video_id: head.info(video_id).kept for video_id, _ in videos}
    return [(video_id, counts[video_id]) for video_id, _ in videos]


def _column(ids: Sequence[str]) -> tuple[bytes, IntArray]:
    encoded = [video_id.encode() for video_id in ids]
    return b"".join(encoded), np.cumsum([len(text) for text in encoded], dtype=np.int64)


def _mixed(first: Path, other: Path) -> MismatchError:
    return MismatchError(
        f"{other} was made with another configuration than {first}: give stores of one "
        "configuration, or mixed=True to take both"
    )
