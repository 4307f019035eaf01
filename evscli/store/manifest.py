"""Which videos of a store are finished, and which failed: its JSON-lines files.

Shards are the truth and a manifest is their index: lines that a killed run did not come to write
are made again from the shards' heads. It reads no tensors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from evscli.errors import DamagedError, StoreError
from evscli.records import Failure, Origin, SourceInfo
from evscli.store.codec import canonical_json, from_json, parse_object, to_json
from evscli.store.durable import append_lines, read_lines
from evscli.store.heads import damaged_shard, read_head
from evscli.store.locks import writer_lock
from evscli.store.schema import (
    list_failures,
    list_manifests,
    list_shards,
    manifest_name,
    shard_number,
)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of a manifest: a finished video."""

    id: str
    shard: str
    """Name of the shard file that holds it."""
    shard_videos: int
    """Videos in that shard, so that a manifest with lines missing is noticed."""
    shard_bytes: int
    """Size of that shard, so that a truncated one is noticed without opening it."""
    source: SourceInfo
    sha256: str
    """Digest of the video's tensors."""
    query: str | None = None
    """What a query-aware method was asked."""

    @property
    def origin(self) -> Origin:
        """What the video was made from."""
        return Origin(source=self.source, query=self.query)


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Every video of a store, by its manifests and by the shards they lack."""

    finished: Mapping[str, Entry]
    """By id, the videos whose shard is there."""
    lost: Mapping[str, Entry]
    """By id, the videos whose only shards are missing."""
    unlisted: Mapping[str, Sequence[Entry]]
    """By shard, the entries that should be in a manifest and are not."""
    shard_names: frozenset[str]
    """All shards that are there or that a manifest names."""

    def unlisted_by(self, writer: int) -> list[Entry]:
        """The lines that one writer's manifest lacks."""
        return [
            entry
            for shard, entries in self.unlisted.items()
            if (key := shard_number(shard)) and key[0] == writer
            for entry in entries
        ]

    def next_number(self, writer: int) -> int:
        """The first shard number that a writer never used; a lost shard's is not used again."""
        keys = [key for name in self.shard_names if (key := shard_number(name))]
        return max((number for owner, number in keys if owner == writer), default=-1) + 1


def read_catalogue(folder: Path) -> Catalogue:
    """Look through manifests, and through the shards that they do not cover whole.

    The last line of a video counts. Raises DamagedError where a manifest or such a shard cannot
    be read.
    """
    # Manifests first: a shard is there before its lines are, also while another run is writing.
    lines = [e for path in list_manifests(folder).values() for e in read_manifest(path)]
    shards = {path.name: path for path in list_shards(folder)}
    unlisted = _unlisted(shards, lines)
    lines += [entry for entries in unlisted.values() for entry in entries]
    finished = {entry.id: entry for entry in lines if entry.shard in shards}
    lost = {entry.id: entry for entry in lines if entry.id not in finished}
    names = frozenset(shards).union(entry.shard for entry in lines)
    return Catalogue(finished=finished, lost=lost, unlisted=unlisted, shard_names=names)


def read_manifest(path: Path) -> list[Entry]:
    """The lines of one manifest in order, a torn last one left out. Raises DamagedError."""
    return _decode_lines(
        path, Entry, "delete this file, and the next run writes it again from the shards"
    )


def check_sizes(folder: Path, catalogue: Catalogue) -> None:
    """Raise DamagedError for a shard that has another size than the manifest says."""
    for name, listed in {e.shard: e.shard_bytes for e in catalogue.finished.values()}.items():
        size = (folder / name).stat().st_size
        if size != listed:
            raise damaged_shard(folder / name, f"it has {size:,} bytes and had {listed:,}")


def append_entries(path: Path, entries: Sequence[Entry]) -> None:
    """Append lines durably. Only the holder of the writer's lock may. Raises OSError."""
    append_lines(path, [canonical_json(entry) for entry in entries])


def shard_entries(path: Path) -> list[Entry]:
    """The manifest lines of a shard, made from its head. Raises as `read_head` does."""
    head = read_head(path)
    return [
        Entry(
            id=video_id,
            shard=path.name,
            shard_videos=len(head.videos),
            shard_bytes=path.stat().st_size,
            source=head.source(video_id),
            sha256=head.sha256(video_id),
            query=head.query(video_id),
        )
        for video_id in head.videos
    ]


def rebuild_manifest(folder: Path) -> int:
    """Append the lines that the manifests of a store lack for its shards; returns how many.

    Raises StoreBusyError where a writer of such a shard is at work, and DamagedError.
    """
    keys = [key for path in list_shards(folder) if (key := shard_number(path.name))]
    return sum(_rebuild_writer(folder, writer) for writer in sorted({owner for owner, _ in keys}))


def append_failure(path: Path, failure: Failure) -> None:
    """Append one failure durably. Only the holder of the writer's lock may. Raises OSError."""
    # A file's name need not be text; that it failed is worth a line all the same.
    values = {key: _readable(value) for key, value in to_json(failure).items()}
    append_lines(path, [canonical_json(values)])


def read_failures(folder: Path) -> dict[str, Failure]:
    """By id, the last failure of each video, finished since or not. Raises DamagedError."""
    last: dict[str, Failure] = {}
    for path in list_failures(folder).values():
        advice = "delete this file; only the record of earlier failures is lost"
        for failure in _decode_lines(path, Failure, advice):
            if failure.id not in last or failure.attempt >= last[failure.id].attempt:
                last[failure.id] = failure
    return last


def _rebuild_writer(folder: Path, writer: int) -> int:
    with writer_lock(folder, writer):
        missing = read_catalogue(folder).unlisted_by(writer)
        if missing:
            append_entries(folder / manifest_name(writer), missing)
    return len(missing)


def _unlisted(shards: Mapping[str, Path], lines: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Open only the shards that have fewer lines than videos."""
    listed: dict[str, set[str]] = {}
    counts: dict[str, int] = {}
    for entry in lines:
        listed.setdefault(entry.shard, set()).add(entry.id)
        counts[entry.shard] = entry.shard_videos
    return {
        name: [entry for entry in shard_entries(path) if entry.id not in listed.get(name, ())]
        for name, path in shards.items()
        if len(listed.get(name, ())) < counts.get(name, 1)
    }


def _decode_lines(path: Path, kind: type[T], advice: str) -> list[T]:
    found = []
    try:
        lines = read_lines(path)
    except OSError as error:
        raise StoreError(f"cannot read {path} ({error.strerror}): check its permissions") from None
    for number, line in enumerate(lines, start=1):
        try:
            found.append(from_json(kind, parse_object(line)))
        except ValueError as error:
            raise DamagedError(f"{path} line {number} is damaged ({error}): {advice}") from None
    return found


def _readable(value: object) -> object:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
