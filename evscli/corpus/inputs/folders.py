"""Local folders and globs: the files below them, in the order of their paths. No file is opened."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from evscli.corpus.inputs.found import FOLDER_LINK, SPECIAL_FILE, Found, ending_of
from evscli.corpus.inputs.names import VIDEO_SUFFIXES, WILDCARDS, has_suffix, is_hidden, video_id
from evscli.errors import UsageError, VideoError
from evscli.records import VideoInput

ListedFile = Found | str
"""A file that is wanted, or the kind of one that is left out."""


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


def dangling(link: Path) -> VideoError:
    """Return the error for a link that leads nowhere. Raises OSError where it is not a link."""
    return VideoError(
        f"{link} is a link to {link.readlink()}, which is not there; fetch what it leads to (as "
        "git annex get and dvc pull do), or remove the link",
        kind=FileNotFoundError.__name__,
    )


def split_glob(path: Path) -> tuple[Path, str]:
    """Return the part of a glob before its first wildcard, and the pattern below it."""
    parts = path.parts
    first = next(i for i, part in enumerate(parts) if WILDCARDS & set(part))
    return Path(*parts[:first]), str(Path(*parts[first:]))
