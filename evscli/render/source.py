"""The file that a pruned video came from, if it is still there and still the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evscli.errors import MismatchError, VideoError
from evscli.provenance import file_digest
from evscli.records import VideoInfo
from evscli.video import Damaged, VideoIndex, index_video


def find_source(info: VideoInfo, roots: Sequence[Path], *, force: bool = False) -> Path | None:
    """Return the source below one of `roots`, or None where none has a file of its name.

    Raises MismatchError where every such file differs from the one that was pruned. With `force`
    the first is taken.
    """
    paths = [path for root in roots if (path := root / info.source.path).is_file()]
    for path in paths:
        if is_source(path, info):
            return path
    return check_source(paths[0], info, force=force) if paths else None


def check_source(path: Path, info: VideoInfo, *, force: bool = False) -> Path:
    """Return `path` where it holds the very bytes that were pruned.

    Raises MismatchError for another file, unless `force`, and VideoError where there is no file or
    it cannot be read.
    """
    if not path.is_file():
        raise VideoError(
            f"there is no file {path}: name the video that {info.id!r} was pruned from"
        )
    if not is_source(path, info) and not force:
        raise MismatchError(
            f"{path} is not the file that {info.id!r} was pruned from (its bytes differ): name "
            "that file with --video, or draw over this one with --force"
        )
    return path


def is_source(path: Path, info: VideoInfo) -> bool:
    """Return whether a file holds the very bytes that were pruned. Raises VideoError."""
    try:
        same = path.stat().st_size == info.source.size
        return same and file_digest(path)[1] == info.source.sha256
    except OSError as error:
        raise VideoError(
            f"{path} cannot be read ({error.strerror}): check its permissions, or name another "
            "with --video"
        ) from error


def open_source(path: Path, info: VideoInfo) -> VideoIndex:
    """Return a source's timeline. Raises VideoError, also for frames or a size it does not have."""
    policy = Damaged.skip if info.damaged_frames else Damaged.trim
    index = index_video(path, damaged=policy)
    if index.displayed_size != info.source_size:
        sizes = [f"{width}x{height}" for height, width in (index.displayed_size, info.source_size)]
        raise VideoError(
            f"{path} shows {sizes[0]} and {info.id!r} was pruned from {sizes[1]}: name the right "
            "file with --video"
        )
    if index.frames < (needed := info.frames.stop):
        raise VideoError(
            f"{path} has {index.frames} frames and {info.id!r} was pruned from "
            f"{needed}: name the right file with --video"
        )
    return index
