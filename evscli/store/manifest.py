"""A manifest: one line of JSON for every finished video, with the name of the shard that holds it.

Lines are read one at a time, since a store may have a million. Which line of a store counts is
decided in catalogue.py.
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
from evscli.store.schema import MANIFEST, lines_path
from evscli.store.shard_header import ShardHeader, read_header

T = TypeVar("T")


class Entry(Struct, frozen=True, kw_only=True):
    """One line of a manifest: a finished video. A Struct is read twice as fast as a dataclass."""

    id: str
    shard: str
    """The name of the shard file that holds the video."""
    shard_videos: int
    """The number of videos in that shard, so that a manifest with lines missing is noticed."""
    shard_bytes: int
    """The size of that shard in bytes, so that a truncated one is noticed without opening it."""
    source: SourceInfo
    sha256: str
    """The digest of the video's tensors."""
    query: str | None = None
    """The question that a query-aware method was given."""
    kept: int | None = None
    """The number of tokens kept; None in lines of stores that were written before it was listed."""
    part: Part | None = None
    """The part of the source that the video is. None is the whole source."""

    @property
    def origin(self) -> Origin:
        """The source, question and part that the video was made from."""
        return Origin(source=self.source, query=self.query, part=self.part)


def read_manifest(path: Path) -> Iterator[Entry]:
    """Yield the lines of one manifest in order, a torn last one left out.

    Raises DamagedError for a line that is not a manifest's, and FileNotFoundError.
    """
    advice = "delete this file, and the next run writes it again from the shards"
    return decode_lines(path, Entry, advice)


def shard_of(entry: Entry) -> str:
    """Return the name of a video's shard, one text for all of its videos."""
    return intern(entry.shard)


def append_entries(folder: Path, writer: int, entries: Sequence[Entry]) -> None:
    """Append lines to a writer's manifest durably, where there are some.

    Only the holder of the writer's lock may call it. Raises OSError.
    """
    if entries:
        path = lines_path(folder, MANIFEST, writer)
        append_lines(path, [canonical_json(entry) for entry in entries])


def drop_lines(
    folder: Path, writer: int, stale: Callable[[Entry], bool], *, temporary: Path
) -> None:
    """Take the stale lines out of a writer's manifest, and remove the file with its last line.

    The file is whole at any moment. `temporary` is a path on the same file system. Only the holder
    of the writer's lock may call it. Raises DamagedError, OSError.
    """
    path = lines_path(folder, MANIFEST, writer)
    if not path.exists():
        return
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
    """Return the manifest lines of a shard, made from its header. Raises as `read_header` does."""
    header = read_header(path)
    return [entry_of(header, video_id) for video_id in header.videos]


def entry_of(header: ShardHeader, video_id: str) -> Entry:
    """Return the manifest line of a video, made from its shard's header. Raises DamagedError."""
    path, videos = header.path, len(header.videos)
    shard = {"shard": path.name, "shard_videos": videos, "shard_bytes": path.stat().st_size}
    return header.described(Entry, video_id, **shard)


def decode_lines(path: Path, kind: type[T], advice: str) -> Iterator[T]:
    """Yield the record in every whole line of a file of JSON objects.

    Raises DamagedError with the line's number for a line of another kind, FileNotFoundError, and
    StoreError for a file that may not be read.
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
