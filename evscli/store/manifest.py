"""One manifest: a line of JSON for every finished video, which says what shard holds it.

Lines are read one at a time, since a store may have a million. It knows one file, not which line of
a store counts (catalogue.py), and reads no tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from sys import intern
from typing import TypeVar

from msgspec import Struct

from evscli.errors import DamagedError, StoreError
from evscli.records import Origin, Part, SourceInfo
from evscli.store.codec import canonical_json, decoder
from evscli.store.durable import append_lines, read_lines, sync_file, sync_folder
from evscli.store.shard_header import read_header

T = TypeVar("T")


class Entry(Struct, frozen=True, kw_only=True):
    """One line of a manifest: a finished video. A Struct is read twice as fast as a dataclass."""

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
    return decode_lines(path, Entry, advice)


def shard_of(entry: Entry) -> str:
    """The name of a video's shard, one text for all of its videos."""
    return intern(entry.shard)


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
    header, size = read_header(path), path.stat().st_size
    shard = {"shard": path.name, "shard_videos": len(header.videos), "shard_bytes": size}
    return [header.described(Entry, video_id, **shard) for video_id in header.videos]


def decode_lines(path: Path, kind: type[T], advice: str) -> Iterator[T]:
    """What every whole line of a file of JSON objects holds.

    Raises DamagedError with the line's number for one that is no such object, FileNotFoundError,
    and StoreError for what may not be read.
    """
    decode, number = decoder(kind), 0
    try:
        for line in read_lines(path):
            number += 1
            yield decode(line)
    except ValueError as error:
        raise DamagedError(f"{path} line {number} is damaged ({error}): {advice}") from None
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"cannot read {path} ({error.strerror}): check its permissions") from None
