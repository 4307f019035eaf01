"""Finished videos that have no shard yet, each a whole one-video shard in a hidden folder.

So nothing large waits in memory, a killed run's videos are found again, and on a full disk each can
become a shard where it lies, without space for a second copy.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from evscli.errors import StoreError
from evscli.records import Origin, PrunedVideo, VideoInfo
from evscli.store.durable import sync_file
from evscli.store.quantize import quantized
from evscli.store.shard import Shard, ShardPart, digest, tensor_problems, write_shard
from evscli.store.shard_header import description_of


@dataclass(frozen=True, kw_only=True)
class StagedVideo:
    """One finished video in a file of its own."""

    id: str
    origin: Origin
    path: Path
    size: int
    """The bytes of the file."""


class StagingFolder:
    """The hidden folder of one writer. Only the holder of the writer's lock may use it."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        """Create the folder. Raises OSError."""
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self._fingerprint = fingerprint
        self._paths = (folder / f"{number:05d}.safetensors" for number in count())

    def recover(self, finished: Container[str]) -> list[StagedVideo]:
        """Return the whole videos that a killed run left here; all other files here are removed."""
        found = []
        for path in sorted(self.folder.iterdir()):
            info = self._intact_info(path)
            if info is None or info.id in finished:
                path.unlink()
            else:
                found.append(_staged(info, path))
        return found

    def add(self, record: PrunedVideo) -> StagedVideo:
        """Write one video.

        Raises StoreError where the record contradicts itself, VideoError where its values do not
        fit the store's dtype; OSError where the disk is full, with the partial file removed.
        """
        as_computed = replace(record.info, store_dtype=None)
        if problems := tensor_problems(as_computed, record.tensors()):
            raise _refused(record.id, problems[0])
        path = next(path for path in self._paths if not path.exists())
        info, tensors = quantized(record)
        said = description_of(info, digest(tensors))
        part = ShardPart(id=record.id, description=said, tensors=tensors)
        try:
            write_shard(path, self._fingerprint, [part])
        except (TypeError, ValueError) as error:
            raise _refused(record.id, str(error)) from error
        return _staged(record.info, path)

    def merge(self, videos: Sequence[StagedVideo]) -> Path:
        """Write one synced shard file of all these videos, in order. Raises OSError."""
        path = videos[0].path
        if len(videos) > 1:
            path = self.folder / "merged"
            # Not overwritten: a run stopped while publishing leaves it as a second name of a shard.
            path.unlink(missing_ok=True)
            write_shard(
                path, self._fingerprint, [Shard(video.path).part(video.id) for video in videos]
            )
        sync_file(path)
        return path

    def remove(self) -> None:
        """Remove the folder, unless videos wait in it for the next run or it is gone."""
        with suppress(FileNotFoundError):  # another process removes it just now
            if self.folder.is_dir() and not any(self.folder.glob("*.safetensors")):
                for path in self.folder.iterdir():
                    path.unlink()
                self.folder.rmdir()

    def _intact_info(self, path: Path) -> VideoInfo | None:
        """Return a whole video's description; None for a partial file or another run's."""
        try:
            shard = Shard(path, self._fingerprint)
            (video_id,) = shard.videos
            if not shard.problems(video_id):
                return shard.header.info(video_id)
        except (StoreError, ValueError):
            pass
        return None


def _staged(info: VideoInfo, path: Path) -> StagedVideo:
    return StagedVideo(id=info.id, origin=info.origin, path=path, size=path.stat().st_size)


def _refused(video_id: str, reason: str) -> StoreError:
    return StoreError(
        f"video {video_id!r} cannot be stored ({reason}): this is a fault of the program that made "
        "it; report it with this line"
    )
