"""Remote files by fsspec: the files at an address or below it, and their bytes; tars at many.

Every back end raises errors of its own: here they become VideoError, and passing faults are tried
again. s3:// needs s3fs, gs:// gcsfs and https:// aiohttp: the extra `remote`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urljoin

from evscli.corpus.inputs.attempts import MissingError, attempt
from evscli.corpus.inputs.found import Item
from evscli.corpus.inputs.names import url_path
from evscli.corpus.inputs.tars import tar_items
from evscli.errors import UsageError, VideoError
from evscli.records import HeldVideo
from evscli.texts import without_secrets

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

WEB = ("http://", "https://")
STREAMED = (*WEB, "hf://")
"""The schemes where one request for a whole file is faster than one for each block."""
TRANSFER_BYTES = 8 << 20
"""The bytes of one request for a file that is copied, held in memory."""
TAR_BLOCK_BYTES = 64 << 10
"""The bytes read at once for a tar's header; small files beside a video mostly lie within."""
REQUESTS_AT_ONCE = 32
"""The most requests under way at one time."""
T = TypeVar("T")


def is_url(text: str) -> bool:
    """Return whether a text is an address, not a path of this machine."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


def folder_of(url: str) -> str:
    """Return the address of the folder that a file lies in."""
    return urljoin(url, ".").rstrip("/") if url.startswith(WEB) else url.rpartition("/")[0]


def joined(folder: str, relative: str) -> str:
    """Return the address of a relative path from a folder."""
    if folder.startswith(WEB):
        return urljoin(f"{folder}/", quote(relative, safe="/%", errors="surrogateescape"))
    scheme, _, rest = folder.partition("://")
    return f"{scheme}://{posixpath.normpath(posixpath.join(rest, relative))}"


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteFile:
    """One file found below an address."""

    url: str
    below: str
    """The path of the file below that address."""
    size: int


class Remote:
    """One address and the file system that serves it. Its methods raise VideoError."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = without_secrets(url)
        self.fs, self.path = self._attempt(partial(_file_system, url))

    def size(self) -> int | None:
        """Return the bytes of the file at this address; None where it is a folder.

        Raises MissingError where nothing is.
        """
        info = self._attempt(lambda: self.fs.info(self.path))
        if info["type"] == "directory":
            return None
        if info["size"] is None:
            raise VideoError(f"the server does not say how long {self.name} is; download it first")
        return int(info["size"])

    def files_below(self) -> list[RemoteFile]:
        """Return all files in this folder and its subfolders, sorted by path, by few requests.

        Raises UsageError for a web address.
        """
        if self.url.startswith(WEB):
            raise UsageError(
                f"{self.name}: a web server lists no folders; name each file, or give "
                "a list of them"
            )
        return self._listed(lambda: self.fs.find(self.path, detail=True), self.path)

    def matching(self, pattern: str) -> list[RemoteFile]:
        """Return the files below this folder that match a glob, sorted by path."""
        whole = f"{self.path.rstrip('/')}/{pattern}"
        return self._listed(lambda: self.fs.glob(whole, detail=True), self.path)

    def _listed(self, ask: Callable[[], dict[str, Any]], root: str) -> list[RemoteFile]:
        self.fs.invalidate_cache()  # what it listed before may have changed
        entries = self._attempt(ask)
        self.fs.invalidate_cache()  # and is held twice
        prefix = f"{root.rstrip('/')}/"
        files = [
            RemoteFile(
                url=f"{self.url.rstrip('/')}/{path.removeprefix(prefix)}",
                below=path.removeprefix(prefix),
                size=int(entry["size"]),
            )
            for path, entry in entries.items()
            if entry["type"] == "file" and path.startswith(prefix)
        ]
        return sorted(files, key=lambda file: file.below.split("/"))

    def open(self, *, block: int = TRANSFER_BYTES, ahead: bool = False) -> IO[bytes]:
        """Open the file, read in requests of `block` bytes; `ahead` reads that many more each time.

        Raises whatever the back end does.
        """
        cache = "readahead" if ahead else "none"
        file: IO[bytes] = self.fs.open(self.path, "rb", block_size=block, cache_type=cache)
        return file

    def stream(self, size: int) -> IO[bytes]:
        """Open the file of `size` bytes at this address, to be read once from its beginning.

        Raises whatever the back end does.
        """
        if not self.url.startswith(STREAMED):
            return self.open()
        known = {"size": size} if self.url.startswith(WEB) else {}  # it would be asked for again
        file: IO[bytes] = self.fs.open(self.path, "rb", block_size=0, cache_type="none", **known)
        return file

    def _attempt(self, action: Callable[[], T]) -> T:
        return attempt(self.name, action)


def _file_system(url: str) -> tuple[AbstractFileSystem, str]:
    from fsspec.core import url_to_fs

    options: dict[str, Any] = {}
    if url.startswith(WEB):
        from aiohttp import ClientTimeout

        # Its default ends every download after five minutes, and asks no proxy.
        timeout = ClientTimeout(total=None, sock_connect=30, sock_read=60)
        options = {"client_kwargs": {"timeout": timeout, "trust_env": True}}
    try:
        fs, path = url_to_fs(url, **options)
    except ValueError as error:
        raise UsageError(
            f"{without_secrets(url)}: no such kind of address ({error}); give s3://, gs://, "
            "https:// or hf://"
        ) from error
    return fs, path


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
