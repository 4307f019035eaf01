"""The videos at one local path: a file, a folder, a glob, a list or a tar. No video is opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from evscli.corpus.inputs.folders import ListedFile, dangling, folder_files, glob_files, split_glob
from evscli.corpus.inputs.found import Found, Item, LeftOut
from evscli.corpus.inputs.lists import LIST_SUFFIXES, Listed, read_list
from evscli.corpus.inputs.names import TAR_SUFFIXES, VIDEO_SUFFIXES, WILDCARDS, has_suffix, video_id
from evscli.corpus.inputs.rows import row_videos
from evscli.corpus.inputs.tars import is_tar, local_tar
from evscli.errors import UsageError, VideoError
from evscli.records import VideoInput


def path_videos(given: str) -> Iterable[Item]:
    """Return the items at or below a path, or matching a glob. Raises VideoError, UsageError."""
    path = Path(given)
    if path.is_dir():
        return wanted(folder_files(path), f"no videos in folder {given}")
    if path.is_file():
        return _file(path)
    if path.exists():
        raise VideoError(f"{given} is a pipe or device, not a file; save the video to disk first")
    if path.is_symlink():
        return [_dead(path)]
    if WILDCARDS & set(given):
        return _glob(path, f"no videos match {given}")
    raise VideoError(f"no such file or folder: {given}; check the path")


def _file(path: Path) -> Iterable[Item]:
    if is_tar(path.name):
        return local_tar(path)
    if has_suffix(path.name, LIST_SUFFIXES):
        return row_videos(_list(path), path.parent)
    return [_one(path)]


def _dead(link: Path) -> Found:
    """Return a link that leads nowhere as a video that fails alone, as in a folder."""
    if has_suffix(link.name, LIST_SUFFIXES):
        raise dangling(link)
    return _one(link, dangling(link))


def _one(path: Path, fault: VideoError | None = None) -> Found:
    video = VideoInput(id=video_id(path.name), path=path, root=path.parent, fault=fault)
    return Found(video=video)


def _list(path: Path) -> Iterator[Listed]:
    try:
        with path.open("rb") as file:
            yield from read_list(file, f"the list {path}", path.suffix)
    except OSError as error:
        raise UsageError(
            f"cannot read the list {path} ({error.strerror}): check its permissions"
        ) from error


def _glob(path: Path, nothing: str) -> Iterable[Item]:
    root, pattern = split_glob(path)
    if not is_tar(pattern):
        return wanted(glob_files(root, pattern, VIDEO_SUFFIXES), nothing)
    tars = [seen for seen in glob_files(root, pattern, TAR_SUFFIXES) if isinstance(seen, Found)]
    if not tars:
        raise UsageError(f"{nothing}; check the path")
    return (item for tar in tars for item in _tar(tar))


def _tar(found: Found) -> Iterable[Item]:
    tar = found.video
    return [found] if tar.fault is not None else local_tar(tar.path, below=tar.relative)


def wanted(seen: Iterable[ListedFile], nothing: str) -> Iterator[Item]:
    """Yield the videos of a folder or a glob, and at last the files left out there.

    Raises UsageError, which begins with `nothing`, where there is no video.
    """
    kinds: Counter[str] = Counter()
    empty = True
    for each in seen:
        if isinstance(each, Found):
            empty = False
            yield each
        else:
            kinds[each] += 1
    left_out = LeftOut(kinds=kinds)
    if empty:
        there = f" ({left_out} there)" if kinds else ""
        raise UsageError(
            f"{nothing}{there}; files with other endings must be named one by one, tars by a glob "
            "such as *.tar"
        )
    yield left_out
