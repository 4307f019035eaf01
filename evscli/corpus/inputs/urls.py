"""The videos at one address: of an object, a folder, a glob, a list or a tar that lies elsewhere.

A web server (https://) lists nothing, so there an address is one file. Reads no video.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from evscli.corpus.inputs.attempts import MissingError
from evscli.corpus.inputs.fetch import local_copy
from evscli.corpus.inputs.lists import LIST_SUFFIXES, Listed, read_list
from evscli.corpus.inputs.lookup import url_tars
from evscli.corpus.inputs.names import (
    WILDCARDS,
    has_suffix,
    is_hidden,
    is_video,
    url_path,
    video_id,
)
from evscli.corpus.inputs.paths import no_videos
from evscli.corpus.inputs.remote import WEB, Remote, RemoteFile, folder_of
from evscli.corpus.inputs.rows import row_videos
from evscli.corpus.inputs.tars import is_tar
from evscli.errors import UsageError
from evscli.records import HeldVideo, VideoInput


def url_videos(url: str) -> Iterable[VideoInput]:
    """The videos at or below an address. Raises VideoError, UsageError."""
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


def _folder(remote: Remote) -> Iterable[VideoInput]:
    return _found(remote.url, remote.files_below(), f"no videos in folder {remote.name}")


def _glob(url: str) -> Iterable[VideoInput]:
    parts = url.split("/")
    first = next(i for i, part in enumerate(parts) if WILDCARDS & set(part))
    root, pattern = "/".join(parts[:first]), "/".join(parts[first:])
    found, nothing = Remote(root).matching(pattern), f"no videos match {url}"
    if not is_tar(pattern):
        return _found(root, found, nothing)
    tars = [file.url for file in found if is_tar(file.below) and not is_hidden(file.below)]
    if not tars:
        raise UsageError(f"{nothing}; check the path")
    return (video for videos in url_tars(tars) for video in videos)


def _found(root: str, files: Iterable[RemoteFile], nothing: str) -> list[VideoInput]:
    folder = url_path(root)
    videos = [
        _video(HeldVideo(url=file.url, size=file.size), folder)
        for file in files
        if is_video(file.below)
    ]
    if not videos:
        raise no_videos(nothing)
    return videos


def _file(held: HeldVideo) -> Iterable[VideoInput]:
    if is_tar(held.url):
        return url_tars([held.url])[0]
    if has_suffix(held.shown, LIST_SUFFIXES):
        return row_videos(_list(held), folder_of(held.url))
    return [_video(held, url_path(held.url).parent)]


def _list(held: HeldVideo) -> Iterator[Listed]:
    suffix = url_path(held.url).suffix
    with local_copy(held, held.shown, suffix) as path, path.open("rb") as file:
        yield from read_list(file, f"the list {held.shown}", suffix)


def _video(held: HeldVideo, root: Path) -> VideoInput:
    path = url_path(held.url)
    relative = path.relative_to(root).as_posix()
    return VideoInput(id=video_id(relative), path=path, root=root, held=held)
