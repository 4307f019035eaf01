"""From the rows of a list to videos: the files, addresses and tars that a list names.

A list lies in a local folder, or below an address, which is a text here. Opens no video.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from pathlib import Path

from evscli.corpus.inputs.lists import Listed
from evscli.corpus.inputs.lookup import url_files, url_tars
from evscli.corpus.inputs.names import span_id, url_path, video_id
from evscli.corpus.inputs.remote import is_url, joined
from evscli.corpus.inputs.tars import is_tar, local_tar
from evscli.errors import UsageError, VideoError
from evscli.records import HeldVideo, VideoInput
from evscli.texts import half_character

ROWS = 1_000
"""Rows whose addresses are asked for their sizes together."""

Found = HeldVideo | list[VideoInput] | VideoError


def row_videos(rows: Iterable[Listed], folder: Path | str) -> Iterator[VideoInput]:
    """The videos that a list in `folder` names, which is the input root of what lies below it.

    Raises VideoError for a file that is not there, UsageError for a row that asks what cannot be.
    """
    rows = iter(rows)
    while batch := list(islice(rows, ROWS)):
        placed = [(row, place_of(row, folder)) for row in batch]
        urls = dict.fromkeys(place for _, place in placed if isinstance(place, str))
        found = _looked_up(urls)
        for row, place in placed:
            if isinstance(place, str):
                yield from _remote(row, found[place], folder)
            elif is_tar(row.path):
                yield from _members(row, local_tar(place))
            else:
                yield _local(row, place, folder)


def place_of(row: Listed, folder: Path | str) -> Path | str:
    """The path, or the address as a text, that a row names. Raises UsageError, VideoError."""
    if is_url(row.path):
        return row.path
    if isinstance(folder, Path):
        _refuse_missing(row, folder)
        return folder / row.path
    if posixpath.isabs(row.path):
        raise UsageError(
            f"{row.where}: {row.path} is a path of one machine in a remote list; give an address, "
            "or a path relative to the list"
        )
    return joined(folder, row.path)


def _refuse_missing(row: Listed, folder: Path) -> None:
    path = os.path.join(folder, row.path)  # noqa: PTH118  the text is needed, a Path keeps it too
    if os.path.isfile(path):  # noqa: PTH113  Path.is_file raises for a name that is too long
        return
    fix = "correct the path" if half_character(row.path) is None else "write the list in UTF-8"
    raise VideoError(f"{row.where}: no such file: {path}; {fix}")


def _looked_up(urls: Iterable[str]) -> dict[str, Found]:
    """What lies at each address: a tar's videos, or a file."""
    tars = [url for url in urls if is_tar(url)]
    others = [url for url in urls if not is_tar(url)]
    return dict(zip([*tars, *others], [*url_tars(tars), *url_files(others)], strict=True))


def _remote(row: Listed, found: Found, folder: Path | str) -> Iterator[VideoInput]:
    if isinstance(found, VideoError):
        raise VideoError(f"{row.where}: {found}") from found
    if isinstance(found, list):
        yield from _members(row, found)
        return
    path = url_path(found.url)
    below = url_path(folder) if isinstance(folder, str) else None
    root = below if below is not None and path.is_relative_to(below) else path.parent
    yield _one(row, path, _shared(str(root)), path.relative_to(root).as_posix(), found)


def _members(row: Listed, videos: Iterable[VideoInput]) -> Iterator[VideoInput]:
    """The videos of a tar that a list names; one id, start or end cannot be that of several."""
    if (row.id, row.start, row.end) != (None, None, None):
        raise UsageError(
            f"{row.where}: {row.path} holds several videos; leave out its id, start and end"
        )
    return (replace(video, query=row.query) for video in videos)


def _local(row: Listed, path: Path, folder: Path | str) -> VideoInput:
    assert isinstance(folder, Path), "a remote list names nothing on this machine"
    root, relative = _below(path, row.path, folder)
    return _one(row, path, root, relative)


def _one(
    row: Listed, path: Path, root: Path, relative: str, held: HeldVideo | None = None
) -> VideoInput:
    return VideoInput(
        id=row.id or span_id(video_id(relative), row.start, row.end),
        path=path,
        root=root,
        query=row.query,
        start=row.start,
        end=row.end,
        held=held,
    )


def _below(path: Path, written: str, folder: Path) -> tuple[Path, str]:
    """(input root, path below it) of a path in a list: the list's folder where it lies in that."""
    if ".." not in written.split("/"):
        if not posixpath.isabs(written):
            return folder, posixpath.normpath(written)
        root = _shared(os.path.abspath(folder))  # noqa: PTH100  a link is a folder of its own
        if path.is_relative_to(root):
            return root, path.relative_to(root).as_posix()
    return _shared(str(path.parent)), path.name


@lru_cache(maxsize=1024)
def _shared(folder: str) -> Path:
    """One object for the root of many videos."""
    return Path(folder)
