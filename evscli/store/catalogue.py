"""Every video of a store, whoever wrote it: all manifests, and the shards that they do not cover.

Shards are the truth and a manifest is their index: lines that a killed run did not come to write
are made again from the shards' headers. A store may hold a million videos, so only what the caller
needs is kept of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from evscli.errors import DamagedError
from evscli.store.locks import writer_lock
from evscli.store.manifest import Entry, append_entries, read_manifest, shard_entries
from evscli.store.schema import MANIFEST, list_lines, list_shards, shard_number
from evscli.store.shard_header import damaged_shard

T = TypeVar("T")


class ShardSize(NamedTuple):
    """The number of videos and of bytes that a manifest gives for a shard."""

    videos: int
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Catalogue(Generic[T]):
    """The videos of a store, by its manifests and by the shards they lack."""

    finished: dict[str, T]
    """The part that `keep` returned of each video whose shard is there, by id."""
    lost: Mapping[str, str]
    """The shard of each video whose only shards are missing, by id."""
    unlisted: Mapping[str, Sequence[Entry]]
    """The entries that should be in a manifest and are not, by shard."""
    shards: frozenset[str]
    """The shards that are there."""
    sizes: Mapping[str, ShardSize]
    """The size of each shard that is there or that a manifest names."""

    def list_missing(self, folder: Path, writer: int) -> int:
        """Append the lines that one writer's manifest lacks; return their number. Raises OSError.

        Only the holder of the writer's lock may call it.
        """
        missing = [
            entry
            for shard, entries in self.unlisted.items()
            if (key := shard_number(shard)) and key[0] == writer
            for entry in entries
        ]
        append_entries(folder, writer, missing)
        return len(missing)

    def next_number(self, writer: int) -> int:
        """Return the first shard number that a writer never used, not even for a lost shard."""
        keys = [key for name in self.shards.union(self.sizes) if (key := shard_number(name))]
        return max((number for owner, number in keys if owner == writer), default=-1) + 1


def read_catalogue(folder: Path, keep: Callable[[Entry], T]) -> Catalogue[T]:
    """Read all manifests, and the shards that they do not cover whole.

    The last line of a video counts, and `keep` returns what is kept of it. Raises DamagedError
    where a manifest or such a shard cannot be read, and OSError.
    """
    before: frozenset[str] | None = None
    while True:
        look = _Look(folder, keep)
        names = frozenset(look.there).union(path.name for path in look.manifests)
        try:
            return look.catalogue()
        except FileNotFoundError:  # a merge removed it meanwhile: its videos are elsewhere by now
            if names == before:
                raise
            before = names


def check_sizes(folder: Path, catalogue: Catalogue[T]) -> None:
    """Raise DamagedError for a shard whose size is not the one in its manifest."""
    for name in sorted(catalogue.shards & catalogue.sizes.keys()):
        listed = catalogue.sizes[name].bytes
        with suppress(FileNotFoundError):  # a merge removed it meanwhile
            if (size := (folder / name).stat().st_size) != listed:
                raise damaged_shard(folder / name, f"it has {size:,} bytes and had {listed:,}")


def rebuild_manifest(folder: Path) -> int:
    """Append the lines that the manifests of a store lack for its shards; return their number.

    Raises StoreBusyError where a writer of such a shard is at work, and DamagedError.
    """
    keys = [key for path in list_shards(folder) if (key := shard_number(path.name))]
    return sum(_rebuild_writer(folder, writer) for writer in sorted({owner for owner, _ in keys}))


def _rebuild_writer(folder: Path, writer: int) -> int:
    with writer_lock(folder, writer):
        return read_catalogue(folder, keep=lambda _: None).list_missing(folder, writer)


class _Look(Generic[T]):
    """One look through a store, which others may be writing to meanwhile.

    Shards are listed before manifests are read, and a shard that only a manifest names is looked
    for: so a video that changes its shard meanwhile is found in one of the two.
    """

    def __init__(self, folder: Path, keep: Callable[[Entry], T]) -> None:
        self.folder = folder
        self.keep = keep
        self.manifests = list_lines(folder, MANIFEST)
        self.there = {path.name: True for path in list_shards(folder)}
        self.finished: dict[str, T] = {}
        self.missing: dict[str, str] = {}
        self.sizes: dict[str, ShardSize] = {}
        self.whole: set[str] = set()
        """The shards with a line for every video."""
        self.partial: dict[str, set[str]] = {}
        """The ids that have a line, by each other shard."""

    def catalogue(self) -> Catalogue[T]:
        """Return what was found. Raises FileNotFoundError where something listed is gone by now."""
        for path in self.manifests:
            self._take(read_manifest(path))
        shards = [name for name, there in self.there.items() if there]
        unlisted = {name: self._unlisted(name) for name in shards if name not in self.whole}
        for entries in unlisted.values():
            self._take(entries)
        return Catalogue(
            finished=self.finished,
            lost={key: shard for key, shard in self.missing.items() if key not in self.finished},
            unlisted={name: entries for name, entries in unlisted.items() if entries},
            shards=frozenset(shards),
            sizes=self.sizes,
        )

    def _take(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._cover(entry)
            if self._is_there(entry.shard):
                self.finished[entry.id] = self.keep(entry)
            else:
                self.missing[entry.id] = entry.shard

    def _is_there(self, name: str) -> bool:
        if name not in self.there:
            self.there[name] = shard_number(name) is not None and (self.folder / name).exists()
        return self.there[name]

    def _cover(self, entry: Entry) -> None:
        """Note a line of a shard. Its set of ids is dropped once every video of it has a line."""
        name = entry.shard
        if name in self.whole:
            return
        self.sizes[name] = ShardSize(entry.shard_videos, entry.shard_bytes)
        listed = self.partial.setdefault(name, set())
        listed.add(entry.id)
        if len(listed) >= entry.shard_videos:
            self.whole.add(name)
            del self.partial[name]

    def _unlisted(self, name: str) -> list[Entry]:
        path, listed = self.folder / name, self.partial.get(name, ())
        try:
            return [entry for entry in shard_entries(path) if entry.id not in listed]
        except DamagedError:
            path.stat()
            raise
