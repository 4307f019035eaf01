"""Local folders and globs: the files below them, in the order of their paths. Opens no file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from evscli.corpus.inputs.names import VIDEO_SUFFIXES, WILDCARDS, has_suffix, is_hidden
from evscli.errors import UsageError, VideoError

Found = tuple[Path, str]
"""A file, and its path below the input root."""


def videos_below(folder: Path, below: str = "") -> Iterator[Found]:
    """The videos in `folder` and its subfolders; what is hidden is not entered.

    Raises VideoError for a folder that cannot be read.
    """
    for entry in _entries(folder):
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from videos_below(folder / entry.name, f"{below}{entry.name}/")
        elif has_suffix(entry.name, VIDEO_SUFFIXES) and _is_file(entry):
            yield folder / entry.name, f"{below}{entry.name}"


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise VideoError(
            f"cannot read folder {folder} ({error.strerror}); check its permissions, or "
            "name the folders beside it"
        ) from error


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads nowhere it may: left to fail as a video, where it is told
        return True


def matches(root: Path, pattern: str, suffixes: frozenset[str]) -> list[Found]:
    """The files below `root` that match a glob and end in one of `suffixes`, none of them hidden.

    Raises UsageError for a malformed glob.
    """
    try:
        paths = [path for path in root.glob(pattern) if has_suffix(path.name, suffixes)]
    except ValueError as error:
        raise UsageError(f"malformed glob {pattern!r} ({error}); write it as in **/*.mp4") from None
    found = [(path, path.relative_to(root).as_posix()) for path in sorted(paths)]
    return [(path, below) for path, below in found if not is_hidden(below) and path.is_file()]


def split_glob(path: Path) -> tuple[Path, str]:
    """The part of a glob before its first wildcard, and the pattern below it."""
    parts = path.parts
    first = next(i for i, part in enumerate(parts) if WILDCARDS & set(part))
    return Path(*parts[:first]), str(Path(*parts[first:]))
