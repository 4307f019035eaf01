"""Locks of folders: one live process per writer number of a store, named in a lock file.

The kernel keeps the lock (flock), so the lock of a killed process is free at once, and a recycled
process number misleads no one; host and process in the file only serve the message.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from evscli.errors import StoreBusyError
from evscli.store.schema import list_writers

logger = logging.getLogger(__name__)

OTHER_FILES = 512
"""The number of files that a process may want to open beside the locks it holds."""


@contextmanager
def writer_lock(folder: Path, writer: int) -> Iterator[None]:
    """Hold `writer-<n>.lock` of a store. Raises StoreBusyError where a live process has it."""
    with held_lock(folder / f"writer-{writer}.lock", instead="use another store"):
        yield


@contextmanager
def held_lock(path: Path, *, instead: str) -> Iterator[None]:
    """Hold a lock file, whose name goes at the end.

    Raises StoreBusyError where a live process holds it; the message ends in what to do `instead`
    of waiting.
    """
    handle = _acquire(path, instead)
    try:
        if left := _holder(os.pread(handle, 4096, 0)):
            logger.info("took over %s, which process %d on %s left", path, left[1], left[0])
        holder = json.dumps({"host": socket.gethostname(), "pid": os.getpid()})
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{holder}\n".encode(), 0)
        yield
    finally:
        try:
            # The name goes while the lock is still held: whoever gets it then sees a file without
            # a name and starts over.
            if _is_named(handle, path):
                path.unlink()
        finally:
            os.close(handle)


@contextmanager
def every_lock(folder: Path) -> Iterator[list[int]]:
    """Hold the locks of writer 0 and of all that have left anything in a store; yield the numbers.

    Raises StoreBusyError where a live process holds one.
    """
    held: list[int] = []
    with ExitStack() as stack:
        while new := sorted({0, *list_writers(folder)}.difference(held)):
            _allow_open_files(len(held) + len(new))
            for writer in new:
                stack.enter_context(writer_lock(folder, writer))
            held += new
        yield sorted(held)


def lock_holder(folder: Path, writer: int) -> tuple[str, int] | None:
    """Return host and process that a writer's lock names, alive or dead; None without a lock."""
    try:
        return _holder((folder / f"writer-{writer}.lock").read_bytes())
    except FileNotFoundError:
        return None


def _allow_open_files(locks: int) -> None:
    """Raise the limit of open files, where a job array had more writers than it allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = locks + OTHER_FILES
    if soft < wanted and (hard == resource.RLIM_INFINITY or wanted <= hard):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _acquire(path: Path, instead: str) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        with ExitStack() as stack:
            stack.callback(os.close, handle)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StoreBusyError(f"{_busy(path, handle)}, or {instead}") from None
            if _is_named(handle, path):
                stack.pop_all()
                return handle


def _is_named(handle: int, path: Path) -> bool:
    """Return whether the path still names the open file, which its last holder may have removed."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _holder(content: bytes) -> tuple[str, int] | None:
    try:
        holder = json.loads(content)
        return holder["host"], holder["pid"]
    except (ValueError, KeyError, TypeError):
        return None


def _busy(path: Path, handle: int) -> str:
    holder = _holder(os.pread(handle, 4096, 0))
    who = f"process {holder[1]} on {holder[0]}" if holder else "another process"
    return f"{path.parent} is being written by {who} ({path.stem}): wait until it has ended"
