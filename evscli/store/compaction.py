"""The plan of a merge: the files of a store that become one shard together, by their sizes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class MergeSource:
    """A file with videos that count: a shard, or a video that waits for one."""

    path: Path
    videos: int
    bytes: int
    must: bool
    """Whether the file has to move: it waits for a shard, or also holds copies that do not
    count."""


def plan_shards(
    sources: Iterable[MergeSource], *, shard_bytes: int, shard_videos: int
) -> list[list[MergeSource]]:
    """Return the sources of every new shard: each goes into the first that has room for it.

    Beside those that must move, only shards less than half full do, so that little is written anew.
    Any two of these fit together: one at most is left over, and stays as it is.
    """
    groups: list[_Group] = []
    for source in sources:
        if (
            not source.must
            and 2 * max(source.bytes / shard_bytes, source.videos / shard_videos) >= 1
        ):
            continue
        group = next((group for group in groups if group.has_room(source)), None)
        if group is None:
            groups.append(group := _Group(shard_bytes, shard_videos))
        group.add(source)
    return [group.sources for group in groups if len(group.sources) > 1 or group.sources[0].must]


class _Group:
    """One new shard, and the room that is left in it."""

    def __init__(self, room_bytes: int, room_videos: int) -> None:
        self.sources: list[MergeSource] = []
        self._bytes, self._videos = room_bytes, room_videos

    def has_room(self, source: MergeSource) -> bool:
        return source.bytes <= self._bytes and source.videos <= self._videos

    def add(self, source: MergeSource) -> None:
        """Add a source of any size: one larger than a shard has a shard of its own."""
        self.sources.append(source)
        self._bytes -= source.bytes
        self._videos -= source.videos
