"""Tars of videos, as WebDataset lays them out: which members are videos, and where each begins.

Only headers are read. What else a tar holds (captions, metadata) is passed over.
"""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from evscli.corpus.inputs.names import TAR_SUFFIXES, has_suffix, is_video, video_id
from evscli.errors import UsageError, VideoError
from evscli.records import HeldVideo, VideoInput
from evscli.texts import without_secrets

COMPRESSED = tuple(".tar.bz2 .tar.gz .tar.xz .tar.zst .tbz2 .tgz .txz".split())


def is_tar(place: str) -> bool:
    """Whether a path or an address names a tar.

    Raises UsageError for a compressed one: its videos have no place of their own in it.
    """
    name = without_secrets(place)
    if name.lower().endswith(COMPRESSED):
        raise UsageError(f"{name} is a compressed tar; decompress it first, and give the .tar")
    return has_suffix(name, TAR_SUFFIXES)


def local_tar(path: Path) -> list[VideoInput]:
    """The videos of a tar on this machine. Raises VideoError."""
    try:
        with path.open("rb") as file:
            return tar_videos(file, str(path), path)
    except OSError as error:
        raise VideoError(f"cannot read {path} ({error.strerror}); check its permissions") from error


def tar_videos(file: IO[bytes], url: str, tar: Path) -> list[VideoInput]:
    """The videos of an open tar, in its order; `tar` is the path that names it.

    A video's id is its member's name without extension. Raises VideoError for a tar that is
    damaged or compressed and for a video that is no ordinary member, UsageError where there is no
    video.
    """
    name = without_secrets(url)
    videos = []
    for member in _members(file, name):
        relative = posixpath.normpath(member.name).lstrip("/")
        if not is_video(relative) or member.isdir():
            continue
        if not member.isreg() or member.issparse():
            raise VideoError(
                f"{name}/{relative} is a link or a sparse file; pack the tar again with ordinary "
                "files (tar --dereference --hard-dereference)"
            )
        held = HeldVideo(url=url, size=member.size, offset=member.offset_data)
        path = tar / relative
        videos.append(VideoInput(id=video_id(relative), path=path, root=tar, held=held))
    if not videos:
        raise UsageError(f"no videos in {name}; name a tar that holds some")
    return videos


def _members(file: IO[bytes], name: str) -> Iterator[tarfile.TarInfo]:
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            while (member := archive.next()) is not None:
                yield member
                archive.members = []  # type: ignore[attr-defined]  # it would keep every header
            _refuse_damaged(file, archive.offset)
    except tarfile.TarError as error:
        raise VideoError(
            f"{name} is no whole tar ({error}); decompress it, or copy it again"
        ) from error


def _refuse_damaged(file: IO[bytes], end: int) -> None:
    """Raise TarError unless a tar ends where reading it ended, which damage in it ends too."""
    file.seek(end)
    if file.read(tarfile.BLOCKSIZE).strip(b"\0"):
        raise tarfile.ReadError(f"damaged at byte {end:,}")
