"""The files, sizes and tars at many addresses, looked up in parallel."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from evscli.corpus.inputs.attempts import MissingError, attempt
from evscli.corpus.inputs.found import Item
from evscli.corpus.inputs.names import url_path
from evscli.corpus.inputs.remote import Remote
from evscli.corpus.inputs.tars import tar_items
from evscli.errors import VideoError
from evscli.records import HeldVideo

REQUESTS_AT_ONCE = 32
"""The most requests under way at one time."""
TAR_BLOCK_BYTES = 64 << 10
"""The bytes read at once for a tar's header; small files beside a video mostly lie within."""
T = TypeVar("T")


def url_tars(urls: Iterable[str]) -> list[list[Item] | MissingError]:
    """Return the items of each tar, or the error that it is not there.

    Raises VideoError for a tar that cannot be read, and UsageError for one without videos.
    """
    return _side_by_side(_tar, urls)


def url_files(urls: Iterable[str]) -> list[HeldVideo | VideoError]:
    """Return the file at each address, or the error why there is none."""
    return _side_by_side(_file, urls)


def _side_by_side(ask: Callable[[Remote], T], urls: Iterable[str]) -> list[T]:
    # Made here: fsspec makes a new connection for every thread that asks it for one.
    places = [Remote(url) for url in urls]
    if not places:
        return []
    with ThreadPoolExecutor(min(REQUESTS_AT_ONCE, len(places))) as pool:
        return list(pool.map(ask, places))


def _tar(remote: Remote) -> list[Item] | MissingError:
    try:
        return attempt(remote.name, partial(_index, remote))
    except MissingError as error:
        return error


def _index(remote: Remote) -> list[Item]:
    try:
        with remote.open(block=TAR_BLOCK_BYTES, ahead=True) as file:
            return tar_items(file, remote.url, url_path(remote.url))
    except ValueError as error:  # fsspec's error for a web server
        raise VideoError(
            f"the server gives no parts of {remote.name}; download it, and name the copy"
        ) from error


def _file(remote: Remote) -> HeldVideo | VideoError:
    try:
        size = remote.size()
    except VideoError as error:
        return error
    if size is None:
        return VideoError(f"{remote.name} is a folder; name the files in it")
    return HeldVideo(url=remote.url, size=size)
