"""One manifest: a line of JSON for every finished video, which says what shard holds it.

Lines are read one at a time, since a store may have a million. It knows one file, not which line of
a store counts (catalogue.py), and reads no tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from sys import intern
from typing import Any, TypeVar

from evscli.errors import DamagedError, StoreError
from evscli.records import Origin, Part, SourceInfo
from evscli.store.codec import canonical_json, from_json, parse_object
from evscli.store.durable import append_lines, read_lines, sync_file, sync_folder
from evscli.store.shard_header import read_header

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
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
    kept: int | None = None
    """Tokens kept; None in lines of stores that were written before it was listed."""
    part: Part | None = None
    """Which part of its source it is; None: the whole."""

    @property
    def origin(self) -> Origin:
        """What the video was made from."""
        return Origin(source=self.source, query=self.query, part=self.part)


def read_manifest(path: Path) -> Iterator[Entry]:
    """The lines of one manifest in order, a torn last one left out.

    Raises DamagedError for a line that is none, and FileNotFoundError.
    """
    advice = "delete this file, and the next run writes it again from the shards"
    return decode_lines(path, _entry, advice)


def append_entries(path: Path, entries: Sequence[Entry]) -> None:
    """Append lines durably. Only the holder of the writer's lock may. Raises OSError."""
    append_lines(path, [canonical_json(entry) for entry in entries])


def drop_lines(path: Path, stale: Callable[[Entry], bool], *, temporary: Path) -> None:
    """Take the stale lines out of a manifest, and the file with its last line.

    It is whole at any moment. `temporary` is a path on the same file system. Only the holder of the
    writer's lock may. Raises DamagedError, OSError.
    """
    left = dropped = 0
    with temporary.open("wb") as file:
        for line, entry in zip(read_lines(path), read_manifest(path), strict=True):
            if stale(entry):
                dropped += 1
            else:
                left += file.write(line + b"\n")
    if dropped and left:
        sync_file(temporary)
        temporary.replace(path)
    elif dropped:
        path.unlink()
    temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def shard_entries(path: Path) -> list[Entry]:
    """The manifest lines of a shard, made from its header. Raises as `read_header` does."""
    header = read_header(path)
    return [
        Entry(
            id=video_id,
            shard=path.name,
            shard_videos=len(header.videos),
            shard_bytes=path.stat().st_size,
            source=header.source(video_id),
            sha256=header.sha256(video_id),
            query=header.query(video_id),
            kept=header.kept(video_id),
            part=header.part(video_id),
        )
        for video_id in header.videos
    ]


def decode_lines(path: Path, decode: Callable[[Mapping[str, Any]], T], advice: str) -> Iterator[T]:
    """What every whole line of a file of JSON objects holds.

    Raises DamagedError with the line's number where `decode` raises ValueError, FileNotFoundError,
    and StoreError for what may not be read.
    """
    try:
        for number, line in enumerate(read_lines(path), start=1):
            try:
                yield decode(parse_object(line))
            except ValueError as error:
                raise DamagedError(f"{path} line {number} is damaged ({error}): {advice}") from None
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"cannot read {path} ({error.strerror}): check its permissions") from None


def _entry(data: Mapping[str, Any]) -> Entry:
    """As `from_json(Entry, data)`, several times as fast; lines of a shard share its name."""
    try:
        source = data["source"]
        name, shard, sha256, path = data["id"], data["shard"], data["sha256"], source["path"]
        videos, length, size = data["shard_videos"], data["shard_bytes"], source["size"]
        source_sha256, query, kept = source["sha256"], data.get("query"), data.get("kept")
        part = data.get("part")
    except (KeyError, TypeError):
        return from_json(Entry, data)
    if not (
        type(name) is type(shard) is type(sha256) is type(path) is type(source_sha256) is str
        and type(videos) is type(length) is type(size) is int
        and (query is None or type(query) is str)
        and (kept is None or type(kept) is int)
    ):
        return from_json(Entry, data)
    return Entry(
        id=name,
        shard=intern(shard),
        shard_videos=videos,
        shard_bytes=length,
        source=SourceInfo(path=path, size=size, sha256=source_sha256),
        sha256=sha256,
        query=query,
        kept=kept,
        part=None if part is None else from_json(Part, part),
    )
