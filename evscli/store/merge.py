"""The merge of a store's small shards into full ones, in place, safe against interruption.

One new shard at a time is written, made durable and listed; only then are the files it was made of
removed. So every video is there at every moment, at worst twice, and the disk needs room for one
more shard.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from evscli.errors import StoreError
from evscli.store.catalogue import Catalogue, ShardSize, check_sizes, read_catalogue
from evscli.store.durable import FULL, publish, sync_file, sync_folder
from evscli.store.locks import every_lock
from evscli.store.manifest import Entry, append_entries, drop_lines, shard_entries, shard_of
from evscli.store.reader import require_store, store_fingerprint
from evscli.store.schema import list_shards, shard_name, shard_number, staging_folder
from evscli.store.shard import Shard, ShardPart, write_shard
from evscli.store.shard_header import damaged_shard
from evscli.store.staging import StagingFolder
from evscli.store.writer import SHARD_BYTES, SHARD_VIDEOS


@dataclass(frozen=True, kw_only=True)
class ShardTotals:
    """The number and size of a store's shards on disk."""

    shards: int
    bytes: int


class StoreMerge:
    """A merge of one store; use it in a `with` statement, which holds the locks of all writers.

    New shards belong to the highest writer: manifests are taken in the order of writers, so that
    the last lines of its own count. Their videos are in the order of the old shards.
    """

    def __init__(
        self, folder: Path, *, shard_bytes: int = SHARD_BYTES, shard_videos: int = SHARD_VIDEOS
    ) -> None:
        """Set the limits, which are those of `StoreWriter`. No file is touched."""
        self.folder = folder
        self._limits = {"shard_bytes": shard_bytes, "shard_videos": shard_videos}

    def __enter__(self) -> Self:
        """Claim the store, list what no manifest lists, and plan.

        Raises StoreBusyError where a writer is at work, StoreError where the path is not a store or
        cannot be written, DamagedError.
        """
        require_store(self.folder)
        with ExitStack() as stack, self._refusals():
            self._open(stack)
            self._claim = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._claim.close()

    def totals(self) -> ShardTotals:
        """Return the totals of the shards as they are now."""
        sizes = [path.stat().st_size for path in list_shards(self.folder)]
        return ShardTotals(shards=len(sizes), bytes=sum(sizes))

    @property
    def planned(self) -> int:
        """The number of new shards that `run` writes."""
        return len(self._plan)

    def run(self) -> Iterator[Path]:
        """Write the new shards one at a time; yield the path of each.

        The loop may be left at any moment: the next merge goes on. Raises DamagedError for a video
        whose bytes have changed, and StoreError where the disk is full.
        """
        with self._refusals():
            for path in self._superseded:
                path.unlink()
            for sources in self._plan:
                yield self._write(sources)
            self._drop_stale_lines()

    def _open(self, stack: ExitStack) -> None:
        self._writers = stack.enter_context(every_lock(self.folder))
        self._target = max(self._writers)
        self._fingerprint = store_fingerprint(self.folder)
        catalogue = read_catalogue(self.folder, keep=shard_of)
        check_sizes(self.folder, catalogue)
        for writer in self._writers:
            catalogue.list_missing(self.folder, writer)
        self._number = catalogue.next_number(self._target)
        self._listed = frozenset(catalogue.sizes)
        self._holder = catalogue.finished
        """The name of the file whose copy counts, by id."""
        shards = self._shards(catalogue)
        self._superseded = [source.path for source in shards if not source.videos]
        waiting = self._take_up(stack)
        self.waiting = len(waiting)
        """The number of videos of killed runs that had no shard yet."""
        sources = [source for source in shards if source.videos] + waiting
        self._plan = plan_shards(sources, **self._limits)

    def _shards(self, catalogue: Catalogue[str]) -> list[MergeSource]:
        """Return the shards, with the number of videos in each that count.

        A writer that came since, under a number of its own, is left alone.
        """
        counts, names = Counter(self._holder.values()), catalogue.shards & catalogue.sizes.keys()
        sources = []
        for writer, number in sorted(filter(None, map(shard_number, names))):
            if writer in self._writers:
                path = self.folder / shard_name(writer, number)
                sources.append(self._shard(path, counts[path.name], catalogue.sizes[path.name]))
        return sources

    def _shard(self, path: Path, videos: int, size: ShardSize) -> MergeSource:
        partly = 0 < videos < size.videos
        spare = self._bytes_of_copies(path) if partly else 0
        return MergeSource(path=path, videos=videos, bytes=size.bytes - spare, must=partly)

    def _bytes_of_copies(self, path: Path) -> int:
        """Return the bytes of the videos in a shard that a later one holds again."""
        shard = Shard(path)
        return sum(
            tensor.nbytes
            for video_id in shard.videos
            if self._holder.get(video_id) != path.name
            for tensor in shard.tensors(video_id).values()
        )

    def _take_up(self, stack: ExitStack) -> list[MergeSource]:
        """Return the whole videos that killed runs of any writer left without a shard."""
        sources = []
        for writer in self._writers:
            path = staging_folder(self.folder, writer)
            if writer != self._target and not path.exists():
                continue
            hidden = StagingFolder(path, self._fingerprint)
            stack.callback(hidden.remove)
            for video in hidden.recover(self._holder):
                self._holder[video.id] = video.path.name
                source = MergeSource(path=video.path, videos=1, bytes=video.size, must=True)
                sources.append(source)
        return sources

    def _write(self, sources: Sequence[MergeSource]) -> Path:
        """Write one new shard, make it durable, list it, and remove the files it was made of."""
        temporary = self._temporary("merged")
        parts = [part for source in sources for part in self._parts(source)]
        write_shard(temporary, self._fingerprint, parts)
        sync_file(temporary)
        path = self.folder / shard_name(self._target, self._number)
        publish(temporary, path)
        self._number += 1
        append_entries(self.folder, self._target, shard_entries(path))
        for source in sources:
            source.path.unlink()
        sync_folder(self.folder)
        return path

    def _parts(self, source: MergeSource) -> Iterator[ShardPart]:
        """Yield the videos of a file that count, each checked before its old copy goes."""
        shard = Shard(source.path, self._fingerprint)
        name, videos = source.path.name, shard.videos
        counting = [video_id for video_id in videos if self._holder.get(video_id) == name]
        if len(counting) != source.videos:
            raise damaged_shard(source.path, "it lacks videos that the manifest says it holds")
        for video_id in counting:
            if problems := shard.problems(video_id):
                raise damaged_shard(source.path, f"video {video_id!r}: {problems[0]}")
            yield shard.part(video_id)

    def _drop_stale_lines(self) -> None:
        """Take the lines out whose shard is gone, unless they are the only record of a lost video.

        One line stays of a writer's last shard, so that its number is not used again.
        """
        there = {path.name for path in list_shards(self.folder)}
        highest = dict(sorted(filter(None, map(shard_number, self._listed | there))))
        last = {shard_name(writer, number) for writer, number in highest.items()}

        def stale(entry: Entry) -> bool:
            if entry.shard in there or entry.id not in self._holder:
                return False
            if entry.shard in last:
                last.remove(entry.shard)
                return False
            return True

        if self._listed - there:
            for writer in self._writers:
                drop_lines(self.folder, writer, stale, temporary=self._temporary("lines"))

    def _temporary(self, name: str) -> Path:
        """Return a free path. A file there is unlinked: it may be a second name of a shard."""
        path = staging_folder(self.folder, self._target) / name
        path.unlink(missing_ok=True)
        return path

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            again = "every video is kept; {} and run evs merge again, which goes on from there"
            if error.errno in FULL:
                what, advice = "no space left for", "free some space"
            else:
                what, advice = "cannot write to", "check the folder and its permissions"
            reason = error.strerror or error
            raise StoreError(f"{what} {self.folder} ({reason}): {again.format(advice)}") from error


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
