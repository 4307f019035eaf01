"""The videos at one local path: of a file, a folder, a glob, a list or a tar. Opens no video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from evscli.corpus.inputs.folders import Found, matches, split_glob, videos_below
from evscli.corpus.inputs.lists import LIST_SUFFIXES, Listed, read_list
from evscli.corpus.inputs.names import TAR_SUFFIXES, VIDEO_SUFFIXES, WILDCARDS, has_suffix, video_id
from evscli.corpus.inputs.rows import row_videos
from evscli.corpus.inputs.tars import is_tar, local_tar
from evscli.errors import UsageError, VideoError
from evscli.records import VideoInput


def path_videos(given: str) -> Iterable[VideoInput]:
    """The videos at or below a path, or matching a glob. Raises VideoError, UsageError."""
    path = Path(given)
    if path.is_dir():
        return _found(path, videos_below(path), f"no videos in folder {given}")
    if path.is_file():
        return _file(path)
    if path.exists():
        raise VideoError(f"{given} is a pipe or device, not a file; save the video to disk first")
    if WILDCARDS & set(given):
        return _glob(path, f"no videos match {given}")
    raise VideoError(f"no such file or folder: {given}; check the path")


def _file(path: Path) -> Iterable[VideoInput]:
    if is_tar(path.name):
        return local_tar(path)
    if has_suffix(path.name, LIST_SUFFIXES):
        return row_videos(_list(path), path.parent)
    return [VideoInput(id=video_id(path.name), path=path, root=path.parent)]


def _list(path: Path) -> Iterator[Listed]:
    try:
        with path.open("rb") as file:
            yield from read_list(file, f"the list {path}", path.suffix)
    except OSError as error:
        raise UsageError(
            f"cannot read the list {path} ({error.strerror}): check its permissions"
        ) from error


def _glob(path: Path, nothing: str) -> Iterable[VideoInput]:
    root, pattern = split_glob(path)
    if not is_tar(pattern):
        return _found(root, matches(root, pattern, VIDEO_SUFFIXES), nothing)
    tars = matches(root, pattern, TAR_SUFFIXES)
    if not tars:
        raise UsageError(f"{nothing}; check the path")
    return (video for tar, _ in tars for video in local_tar(tar))


def _found(root: Path, found: Iterable[Found], nothing: str) -> Iterator[VideoInput]:
    empty = True
    for path, below in found:
        empty = False
        yield VideoInput(id=video_id(below), path=path, root=root)
    if empty:
        raise no_videos(nothing)


def no_videos(nothing: str) -> UsageError:
    """Where a folder or a glob has no video."""
    known = " ".join(sorted(VIDEO_SUFFIXES))
    return UsageError(
        f"{nothing}; files with other endings than {known} must be named one by one, tars by a "
        "glob such as *.tar"
    )
