"""The videos at one address: an object, a folder, a glob, a list or a tar that lies elsewhere.

A web server (https://) lists nothing, so there an address is one file. No video is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from evscli.corpus.inputs.attempts import MissingError
from evscli.corpus.inputs.fetch import local_copy
from evscli.corpus.inputs.found import Found, Item, ListedFile, ending_of, wanted
from evscli.corpus.inputs.lists import LIST_SUFFIXES, Listed, read_list
from evscli.corpus.inputs.names import (
    WILDCARDS,
    has_suffix,
    is_hidden,
    is_video,
    url_path,
    video_id,
)
from evscli.corpus.inputs.remote import WEB, Remote, RemoteFile, folder_of, url_tars
from evscli.corpus.inputs.rows import row_videos, within
from evscli.corpus.inputs.tars import is_tar
from evscli.errors import UsageError
from evscli.records import HeldVideo, VideoInput


def url_videos(url: str) -> Iterable[Item]:
    """Return the items at or below an address. Raises VideoError, UsageError."""
    remote = Remote(url)
    if url.endswith("/"):
        return _folder(remote)
    try:
        size = remote.size()
    except MissingError:
        if url.startswith(WEB) or not WILDCARDS & set(url):
            raise
        return _glob(url)
    return _folder(remote) if size is None else _file(HeldVideo(url=url, size=size))


def _folder(remote: Remote) -> Iterable[Item]:
    return _wanted(remote.url, remote.files_below(), f"no videos in folder {remote.name}")


def _glob(url: str) -> Iterable[Item]:
    parts = url.split("/")
    first = next(i for i, part in enumerate(parts) if WILDCARDS & set(part))
    root, pattern = "/".join(parts[:first]), "/".join(parts[first:])
    found, nothing = Remote(root).matching(pattern), f"no videos match {url}"
    if not is_tar(pattern):
        return _wanted(root, found, nothing)
    tars = [file for file in found if is_tar(file.below) and not is_hidden(file.below)]
    if not tars:
        raise UsageError(f"{nothing}; check the path")
    held = zip(tars, url_tars(file.url for file in tars), strict=True)
    return (item for file, items in held for item in _members(items, file.below))


def _members(items: list[Item] | MissingError, below: str | None = None) -> Iterable[Item]:
    if isinstance(items, MissingError):
        raise items
    return items if below is None else within(below, items)


def _wanted(root: str, files: Iterable[RemoteFile], nothing: str) -> Iterable[Item]:
    folder = url_path(root)
    shown = (file for file in files if file.below and not is_hidden(file.below))
    return wanted((_seen(folder, file) for file in shown), nothing)


def _seen(root: Path, file: RemoteFile) -> ListedFile:
    if not is_video(file.below):
        return ending_of(file.below)
    return _video(HeldVideo(url=file.url, size=file.size), root)


def _file(held: HeldVideo) -> Iterable[Item]:
    if is_tar(held.url):
        return _members(url_tars([held.url])[0])
    if has_suffix(held.shown, LIST_SUFFIXES):
        return row_videos(_list(held), folder_of(held.url))
    return [_video(held, url_path(held.url).parent)]


def _list(held: HeldVideo) -> Iterator[Listed]:
    suffix = url_path(held.url).suffix
    with local_copy(held, held.shown, suffix) as path, path.open("rb") as file:
        yield from read_list(file, f"the list {held.shown}", suffix)


def _video(held: HeldVideo, root: Path) -> Found:
    path = url_path(held.url)
    name = video_id(path.relative_to(root).as_posix())
    return Found(video=VideoInput(id=name, path=path, root=root, held=held))
