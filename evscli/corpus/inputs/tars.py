"""Tars of videos, as WebDataset lays them out: the members that are videos, and their offsets.

Only headers are read. Other members (captions, metadata) are counted.
"""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from evscli.corpus.inputs.found import Found, Item, ListedFile, ending_of, wanted
from evscli.corpus.inputs.names import TAR_SUFFIXES, has_suffix, is_hidden, is_video, video_id
from evscli.errors import UsageError, VideoError
from evscli.records import HeldVideo, VideoInput
from evscli.texts import without_secrets

COMPRESSED_TARS = tuple(".tar.bz2 .tar.gz .tar.xz .tar.zst .tbz2 .tgz .txz".split())


def is_tar(place: str) -> bool:
    """Return whether a path or an address names a tar.

    Raises UsageError for a compressed one: its videos have no place of their own in it.
    """
    name = without_secrets(place)
    if name.lower().endswith(COMPRESSED_TARS):
        raise UsageError(f"{name} is a compressed tar; decompress it first, and give the .tar")
    return has_suffix(name, TAR_SUFFIXES)


def local_tar(path: Path, *, below: str | None = None) -> list[Item]:
    """Return the items of a tar on this machine, as `tar_items` does. Raises VideoError."""
    try:
        with path.open("rb") as file:
            return tar_items(file, str(path), path, below=below)
    except OSError as error:
        raise VideoError(f"cannot read {path} ({error.strerror}); check its permissions") from error


def tar_items(file: IO[bytes], url: str, tar: Path, *, below: str | None = None) -> list[Item]:
    """Return the videos of an open tar, in its order, and the files left out of it.

    `tar` is the path that names it, `below` its path below its input root, by default its name. A
    member that is a link or sparse is a video that fails. Raises VideoError for a tar that is
    damaged or compressed, UsageError where there is no video.
    """
    name = without_secrets(url)
    seen = _seen(_members(file, name), url, tar, tar.name if below is None else below)
    return [*wanted(seen, f"no videos in {name}", "name a tar that holds some")]


def _seen(
    members: Iterable[tarfile.TarInfo], url: str, tar: Path, below: str
) -> Iterator[ListedFile]:
    for member in members:
        relative = posixpath.normpath(member.name).lstrip("/")
        if member.isdir() or is_hidden(relative):
            continue
        if is_video(relative):
            yield Found(video=_video(member, relative, url, tar), tar=below)
        else:
            yield ending_of(relative)


def _video(member: tarfile.TarInfo, relative: str, url: str, tar: Path) -> VideoInput:
    video_path, name = tar / relative, video_id(relative)
    if member.isreg() and not member.issparse():
        held = HeldVideo(url=url, size=member.size, offset=member.offset_data)
        return VideoInput(id=name, path=video_path, root=tar, held=held)
    fault = VideoError(
        f"{without_secrets(url)}/{relative} is a link or a sparse file; pack the tar again with "
        "ordinary files (tar --dereference --hard-dereference)"
    )
    return VideoInput(id=name, path=video_path, root=tar, fault=fault)


def _members(file: IO[bytes], name: str) -> Iterator[tarfile.TarInfo]:
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            while (member := archive.next()) is not None:
                yield member
                archive.members = []  # type: ignore[attr-defined]  # it would keep every header
            _refuse_damaged(file, archive.offset)
    except tarfile.TarError as error:
        raise VideoError(
            f"{name} is not a whole tar ({error}); decompress it, or copy it again"
        ) from error


def _refuse_damaged(file: IO[bytes], end: int) -> None:
    """Raise TarError unless the tar ends where reading it ended; damage ends reading too."""
    file.seek(end)
    if file.read(tarfile.BLOCKSIZE).strip(b"\0"):
        raise tarfile.ReadError(f"damaged at byte {end:,}")
