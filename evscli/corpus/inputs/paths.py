"""The videos at one local path: a file, a folder, a glob, a list or a tar. No video is opened."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from evscli.corpus.inputs.found import (
    FOLDER_LINK,
    SPECIAL_FILE,
    Found,
    Item,
    ListedFile,
    dangling,
    ending_of,
    wanted,
)
from evscli.corpus.inputs.lists import LIST_SUFFIXES, Listed, read_list
from evscli.corpus.inputs.names import (
    TAR_SUFFIXES,
    VIDEO_SUFFIXES,
    WILDCARDS,
    has_suffix,
    is_hidden,
    video_id,
)
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


def folder_files(root: Path, below: str = "") -> Iterator[ListedFile]:
    """Yield the files in a folder and its subfolders, videos wanted, hidden ones left out.

    `below` is the folder's path below `root`, and ends in `/`. Raises VideoError for a folder that
    cannot be read.
    """
    for entry in _entries(root / below):
        relative = f"{below}{entry.name}"
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from folder_files(root, f"{relative}/")
        else:
            yield _seen(entry, root, relative, VIDEO_SUFFIXES)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise VideoError(
            f"cannot read folder {folder} ({error.strerror}); check its permissions, or "
            "name the folders beside it"
        ) from error


def glob_files(root: Path, pattern: str, suffixes: frozenset[str]) -> Iterator[ListedFile]:
    """Yield the files below `root` that match a glob, none of them hidden; `suffixes` are wanted.

    Raises UsageError for a malformed glob.
    """
    try:
        paths = sorted(_matches(root, pattern))
    except ValueError as error:
        raise UsageError(f"malformed glob {pattern!r} ({error}); write it as in **/*.mp4") from None
    for path in paths:
        relative = path.relative_to(root).as_posix()
        if is_hidden(relative):
            continue
        seen = _seen(path, root, relative, suffixes)
        if seen != FOLDER_LINK:  # folders match too, which a glob does not ask for
            yield seen


def _matches(root: Path, pattern: str) -> Iterable[Path]:
    parent, _, name = pattern.rpartition("/")
    if not parent or WILDCARDS & set(name):
        return root.glob(pattern)
    # glob() takes a link that leads nowhere for no file where the name has no wildcard.
    return (folder / name for folder in root.glob(parent) if os.path.lexists(folder / name))


def _seen(
    entry: os.DirEntry[str] | Path, root: Path, relative: str, suffixes: frozenset[str]
) -> ListedFile:
    """Return the wanted file, or the kind, of an entry that is a file or a link."""
    path, fault = root / relative, None
    try:
        if not entry.is_file():
            if entry.is_dir():
                return FOLDER_LINK
            if not entry.is_symlink():
                return SPECIAL_FILE
            fault = dangling(path)
    except OSError:  # a link to a forbidden place: it fails later, as a video
        pass
    if not has_suffix(relative, suffixes):
        return ending_of(relative)
    return Found(video=VideoInput(id=video_id(relative), path=path, root=root, fault=fault))


def split_glob(path: Path) -> tuple[Path, str]:
    """Return the part of a glob before its first wildcard, and the pattern below it."""
    parts = path.parts
    first = next(i for i, part in enumerate(parts) if WILDCARDS & set(part))
    return Path(*parts[:first]), str(Path(*parts[first:]))
