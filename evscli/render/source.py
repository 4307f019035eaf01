"""The file that a pruned video came from, if it is still there and still the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evscli.errors import MismatchError, VideoError
from evscli.provenance import file_digest
from evscli.records import VideoInfo
from evscli.video import VideoIndex, index_video


def find_source(info: VideoInfo, roots: Sequence[Path], *, force: bool = False) -> Path | None:
    """The source below one of `roots`, the first that has it; None where none has.

    Raises MismatchError where it is another file than the one that was pruned, unless `force`.
    """
    for root in roots:
        path = root / info.source.path
        if path.is_file():
            return check_source(path, info, force=force)
    return None


def check_source(path: Path, info: VideoInfo, *, force: bool = False) -> Path:
    """`path`, where it holds the very bytes that were pruned.

    Raises MismatchError for another file, unless `force`, and VideoError where it cannot be read.
    """
    try:
        same = path.stat().st_size == info.source.size
        same = same and file_digest(path)[1] == info.source.sha256
    except OSError as error:
        raise VideoError(
            f"{path} cannot be read ({error.strerror}): check its permissions, or name another "
            "with --video"
        ) from error
    if not same and not force:
        raise MismatchError(
            f"{path} is not the file that {info.id!r} was pruned from (its bytes differ): name "
            "that file with --video, or draw over this one with --force"
        )
    return path


def open_source(path: Path, info: VideoInfo) -> VideoIndex:
    """The timeline of a source. Raises VideoError, also for frames that it does not have."""
    index = index_video(path)
    if index.frames < info.source_frames:
        raise VideoError(
            f"{path} has {index.frames} frames and {info.id!r} was pruned from "
            f"{info.source_frames}: name the right file with --video"
        )
    return index
