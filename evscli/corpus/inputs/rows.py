"""The videos that the rows of a list name: files, addresses and tars.

A list lies in a local folder, or below an address, which is a text here. No video is opened.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from pathlib import Path

from evscli.corpus.inputs.found import Found, Item, dangling
from evscli.corpus.inputs.lists import Listed
from evscli.corpus.inputs.names import span_id, url_path, video_id
from evscli.corpus.inputs.remote import is_url, joined, url_files, url_tars
from evscli.corpus.inputs.tars import is_tar, local_tar
from evscli.errors import UsageError, VideoError
from evscli.records import HeldVideo, VideoInput
from evscli.texts import half_character

ROWS_PER_LOOKUP = 1_000
"""The number of rows whose addresses are looked up together."""

There = HeldVideo | list[Item] | VideoError


def row_videos(rows: Iterable[Listed], folder: Path | str) -> Iterator[Item]:
    """Yield the items that a list in `folder`, their input root, names.

    A file that is not there is a video that fails. Raises UsageError for a row with impossible
    values, VideoError for a tar that cannot be read.
    """
    rows = iter(rows)
    while batch := list(islice(rows, ROWS_PER_LOOKUP)):
        placed = [(row, place_of(row, folder)) for row in batch]
        urls = dict.fromkeys(place for _, place in placed if isinstance(place, str))
        found = _looked_up(urls)
        for row, place in placed:
            if isinstance(place, str):
                yield from _remote(row, place, found[place], folder)
            else:
                yield from _local(row, place, folder)


def place_of(row: Listed, folder: Path | str) -> Path | str:
    """Return the path, or the address as a text, that a row names. Raises UsageError."""
    if is_url(row.path):
        return row.path
    if isinstance(folder, Path):
        return folder / row.path
    if posixpath.isabs(row.path):
        raise UsageError(
            f"{row.where}: {row.path} is a path of one machine in a remote list; give an address, "
            "or a path relative to the list"
        )
    return joined(folder, row.path)


def _looked_up(urls: Iterable[str]) -> dict[str, There]:
    """Return a tar's items, a file, or an error, by address."""
    tars = [url for url in urls if is_tar(url)]
    others = [url for url in urls if not is_tar(url)]
    return dict(zip([*tars, *others], [*url_tars(tars), *url_files(others)], strict=True))


def _remote(row: Listed, url: str, there: There, folder: Path | str) -> Iterator[Item]:
    path = url_path(url)
    below = url_path(folder) if isinstance(folder, str) else None
    root = below if below is not None and path.is_relative_to(below) else path.parent
    relative = path.relative_to(root).as_posix()
    if isinstance(there, list):
        yield from _members(row, relative, there)
    elif isinstance(there, HeldVideo):
        yield _one(row, path, _shared(str(root)), relative, held=there)
    else:
        yield _one(row, path, _shared(str(root)), relative, fault=_located(row, there))


def _local(row: Listed, path: Path, folder: Path | str) -> Iterator[Item]:
    assert isinstance(folder, Path), "a remote list names nothing on this machine"
    root, relative = _below(path, row.path, folder)
    fault = _missing(row, folder)
    if fault is None and is_tar(row.path):
        yield from _members(row, relative, local_tar(path))
    else:
        yield _one(row, path, root, relative, fault=fault)


def _missing(row: Listed, folder: Path) -> VideoError | None:
    """Return why there is no file where a row names one; None where there is."""
    path = os.path.join(folder, row.path)  # noqa: PTH118  the text is needed, a Path keeps it too
    if os.path.isfile(path):  # noqa: PTH113  Path.is_file raises for a name that is too long
        return None
    if os.path.islink(path) and not os.path.exists(path):  # noqa: PTH110, PTH114  likewise
        return _located(row, dangling(Path(path)))
    fix = "correct the path" if half_character(row.path) is None else "write the list in UTF-8"
    error = VideoError(f"no such file: {path}; {fix}", kind=FileNotFoundError.__name__)
    return _located(row, error)


def _located(row: Listed, error: VideoError) -> VideoError:
    """Return an error with the line of the list before it."""
    return VideoError(f"{row.where}: {error}", kind=error.kind)


def _members(row: Listed, below: str, items: Iterable[Item]) -> Iterator[Item]:
    """Return the items of a tar that a list names; several cannot share one id, start or end."""
    if (row.id, row.start, row.end) != (None, None, None):
        raise UsageError(
            f"{row.where}: {row.path} holds several videos; leave out its id, start and end"
        )
    return within(below, items, query=row.query)


def within(below: str, items: Iterable[Item], *, query: str | None = None) -> Iterator[Item]:
    """Yield items with the path `below` of their tar under its input root, asked a `query`."""
    for item in items:
        if isinstance(item, Found):
            item = replace(item, tar=below, video=replace(item.video, query=query))
        yield item


def _one(
    row: Listed,
    path: Path,
    root: Path,
    relative: str,
    *,
    held: HeldVideo | None = None,
    fault: VideoError | None = None,
) -> Found:
    video = VideoInput(
        id=row.id or span_id(video_id(relative), row.start, row.end),
        path=path,
        root=root,
        query=row.query,
        start=row.start,
        end=row.end,
        held=held,
        fault=fault,
    )
    return Found(video=video, has_own_id=row.id is not None)


def _below(path: Path, written: str, folder: Path) -> tuple[Path, str]:
    """Return (input root, path below it) of a path in a list, the list's folder where possible."""
    if ".." not in written.split("/"):
        if not posixpath.isabs(written):
            return folder, posixpath.normpath(written)
        root = _shared(os.path.abspath(folder))  # noqa: PTH100  a link is a folder of its own
        if path.is_relative_to(root):
            return root, path.relative_to(root).as_posix()
    return _shared(str(path.parent)), path.name


@lru_cache(maxsize=1024)
def _shared(folder: str) -> Path:
    """Return one object for the root of many videos."""
    return Path(folder)
