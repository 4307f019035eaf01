"""Files that appear whole or not at all, and stay after a power cut.

All functions raise OSError as the system gave it.
"""

from __future__ import annotations

import errno
import glob
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

FULL = {errno.ENOSPC, errno.EDQUOT}
"""The system's error numbers for a full disk."""

_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP}


def sync_folder(folder: Path) -> None:
    """Make the names inside a folder durable, where the file system can."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, where they are missing."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)


def sync_file(path: Path) -> None:
    """Make the bytes of a file durable."""
    with path.open("rb") as handle:
        os.fsync(handle.fileno())


def publish(temporary: Path, target: Path) -> None:
    """Move a synced temporary file to its final name, durably.

    Raises FileExistsError where the name is taken, which a plain rename would replace.
    """
    try:
        target.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:
        # Some network and removable file systems have no hard links. There the writer lock alone
        # keeps others from taking the name between this look and the rename.
        if target.exists():
            raise FileExistsError(f"{target} exists already") from None
        temporary.rename(target)
    sync_folder(target.parent)
    temporary.unlink(missing_ok=True)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file in place of an older one. It is whole at any moment; the umask sets its mode."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        sync_file(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder, which takes the place of `path` at the end, or goes where that fails.

    Raises OSError also for what safetensors could not write.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for each in temporary.rglob("*"):
            sync_folder(each) if each.is_dir() else sync_file(each)
        shutil.rmtree(path, ignore_errors=True)
        temporary.rename(path)
    except SafetensorError as error:
        raise OSError(f"{path} cannot be written ({error})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sync_folder(path.parent)


def remove_leftovers(path: Path) -> None:
    """Remove what killed processes left of a new file or folder `path`, while none writes it."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        if left.suffix[1:].isdigit():
            shutil.rmtree(left) if left.is_dir() else left.unlink()


def append_lines(path: Path, lines: Sequence[str]) -> None:
    """Append lines durably, after dropping the torn last line of a killed run.

    Either all lines are appended or, where an exception is raised, none.
    """
    created = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        if created:
            sync_folder(path.parent)
        size = _drop_torn_line(handle)
        try:
            _write_all(handle, "".join(f"{line}\n" for line in lines).encode())
        except BaseException:
            os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)


def read_lines(path: Path) -> Iterator[bytes]:
    """Yield the complete lines of a file. Bytes after the last line feed are torn and left out."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield line[:-1]


def _write_all(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]
    os.fsync(handle)


def _drop_torn_line(handle: int) -> int:
    """Cut a file after its last line feed, and return its size."""
    size = os.fstat(handle).st_size
    if size and os.pread(handle, 1, size - 1) != b"\n":
        size = os.pread(handle, size, 0).rfind(b"\n") + 1
        os.ftruncate(handle, size)
    return size
