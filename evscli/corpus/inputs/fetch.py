"""A local file for every video: the file itself, or a temporary copy from a tar or an address."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO

from evscli.corpus.inputs.attempts import attempt
from evscli.corpus.inputs.remote import TRANSFER_BYTES, Remote, is_url
from evscli.errors import VideoError
from evscli.records import HeldVideo, VideoInput
from evscli.scratch import scratch_folder


def local_file(video: VideoInput, *, folder: Path | None = None) -> AbstractContextManager[Path]:
    """Give the path of an ordinary file; else of a copy in `folder`, removed at the end.

    The copy has the suffix of the video, and is never in memory as a whole. `folder` is
    `scratch_folder()` by default; a process that is killed leaves its copy there. Raises
    VideoError, stage "open", where the video cannot be fetched, and OSError where the copy cannot
    be written.
    """
    if video.held is None:
        return nullcontext(video.path)
    return local_copy(video.held, video.name, video.path.suffix, folder=folder)


def copies_folder() -> Path:
    """Make a new folder for copies; remove those of dead processes of this machine."""
    prefix = f".evs-copies-{socket.gethostname()}-"
    for left in scratch_folder().glob(f"{prefix}*"):
        if not _lives(left.name.removeprefix(prefix).partition("-")[0]):
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir=scratch_folder()))


def _lives(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def source_size(video: VideoInput) -> int:
    """Return the bytes of the video itself. Raises OSError for a local file that is not there."""
    return video.path.stat().st_size if video.held is None else video.held.size


@contextmanager
def local_copy(
    held: HeldVideo, name: str, suffix: str, *, folder: Path | None = None
) -> Iterator[Path]:
    """Yield a temporary copy of a remote or packed file, which messages call `name`.

    Raises as `local_file` does.
    """
    where = folder or scratch_folder()
    handle, made = tempfile.mkstemp(prefix=".evs-copy-", suffix=suffix, dir=where)
    copy = Path(made)
    try:
        with os.fdopen(handle, "wb") as target:
            attempt(name, lambda: _copy(held, target, name))
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def _copy(held: HeldVideo, target: IO[bytes], name: str) -> None:
    target.seek(0)  # overwrites an earlier attempt, which is never longer
    left = held.size
    with _opened(held) as source:
        if held.offset:
            source.seek(held.offset)
        while left and (block := source.read(min(TRANSFER_BYTES, left))):
            target.write(block)
            left -= len(block)
        grown = not held.offset and source.read(1)
    if left or grown:
        found = "more" if grown else f"{held.size - left:,}"
        raise VideoError(
            f"{name} gave {found} of {held.size:,} bytes; it has changed or was cut off: run the "
            "same command again"
        )
    target.flush()


def _opened(held: HeldVideo) -> IO[bytes]:
    if not is_url(held.url):
        return Path(held.url).open("rb")
    remote = Remote(held.url)
    return remote.open() if held.offset else remote.stream(held.size)
