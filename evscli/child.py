"""A child process, the pipe to it, and its end.

Decoders, workers and processes that check shards are children. They begin as forks of a clean
process: so a new one costs milliseconds, and none is a fork of a process with threads. The messages
through the pipe, and the time to wait for them, are up to the caller.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from multiprocessing import forkserver, resource_tracker, spawn
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Lock
from typing import Any

METHOD = "forkserver"  # a plain fork of a process with threads hangs
PR_SET_PDEATHSIG = 1
RELEASE = "evscli.released"
"""The module that ends, in the clean process, what holds Ctrl-C back."""

_STARTING = Lock()
"""The lock of the one environment that all threads of this process share."""

_NEEDS_MAIN = ContextVar("_NEEDS_MAIN", default=True)
"""Whether a child that this thread starts imports the main module of this process."""


def start_server(modules: list[str]) -> None:
    """Start the clean process, which imports `modules` while this one goes on.

    Ctrl-C reaches it too, and is held back until it has imported them.
    """
    forkserver.set_forkserver_preload([*modules, RELEASE])
    resource_tracker.ensure_running()  # its start would let interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        _ensure_server()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ensure_server() -> None:
    """Start the clean process unless it runs. It looks for modules where this one does.

    By itself it would look in the current folder first, and a person's `numpy.py` may lie there.
    """
    if METHOD != "forkserver":
        return
    # Python passes over what is not text, and a notebook may hold a Path there.
    places = [text for text in sys.path if isinstance(text, str) and Path(text).is_absolute()]
    changes = {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(places)}
    with _STARTING:
        before = {name: os.environ[name] for name in changes if name in os.environ}
        os.environ.update(changes)
        try:
            forkserver.ensure_running()
        finally:
            for name in changes.keys() - before.keys():
                del os.environ[name]
            os.environ.update(before)


@contextmanager
def without_main() -> Iterator[None]:
    """Start children here that do not import the main module of this process.

    They never need it, and a script without `if __name__ == "__main__":` would run in each of them
    again. Children that the script starts by itself, in other threads too, do import it.
    """
    before = _NEEDS_MAIN.set(False)
    try:
        yield
    finally:
        _NEEDS_MAIN.reset(before)


_described = spawn.get_preparation_data


def _described_without_main(name: str) -> dict[str, Any]:
    """Return the description of this process for a child that is to be like it."""
    hidden = () if _NEEDS_MAIN.get() else ("init_main",)
    return {key: value for key, value in _described(name).items() if not key.startswith(hidden)}


# multiprocessing has no parameter for this, and to hide the module would hide it from all threads.
spawn.get_preparation_data = _described_without_main


class Child:
    """One child process, as the process that started it sees it."""

    def __init__(self, target: Callable[..., None], *arguments: Any, parent: bool = False) -> None:
        """Start `target(pipe, *arguments)`; a `parent` may have children too.

        Raises OSError and EOFError where the system refuses.
        """
        context: Any = multiprocessing.get_context(METHOD)
        self.pipe, theirs = multiprocessing.Pipe()
        given = (target, theirs, *arguments)
        self._process: BaseProcess = context.Process(target=_begin, args=given, daemon=not parent)
        with theirs, without_main():
            _ensure_server()
            self._process.start()

    def send(self, message: object) -> None:
        """Send something. The death of the child is noticed when an answer is expected."""
        with suppress(ConnectionError):
            self.pipe.send(message)

    def terminate(self) -> None:
        """Ask the child to end by SIGTERM, unless it has ended."""
        if self._process.is_alive():
            self._process.terminate()

    def has_ended(self, *, within: float) -> bool:
        """Return whether the child has ended by itself, after waiting `within` seconds at most."""
        self._process.join(within)
        return self._process.exitcode is not None

    def kill(self) -> None:
        """End the child while another thread may wait for it, which then finds it dead."""
        self._process.kill()

    def end(self, *, grace: float | None = 0.0) -> int:
        """Wait `grace` seconds for the child to end, or without limit for None; then kill it.

        Returns its exit code, negative for the signal that ended it.
        """
        self._process.join(grace)
        self._process.kill()
        self._process.join()
        self.pipe.close()
        return self._process.exitcode or 0


def how_it_ended(code: int) -> str:
    """Return an exit code in words: `SIGBUS`, or `exit code 1`."""
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _begin(target: Callable[..., None], pipe: Connection, *arguments: Any) -> None:
    """Run `target` in the child, which ends with its parent and ignores Ctrl-C."""
    die_with_parent()
    # Ctrl-C reaches the whole group of processes; the first of them decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    target(pipe, *arguments)


def die_with_parent() -> None:
    """Have the kernel kill this process with its parent, however busy it is; Linux alone can."""
    if Path("/proc").is_dir():
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def end_with_parent() -> None:
    """End with the parent of a process that Python spawned, which may be gone already."""
    die_with_parent()
    parent = multiprocessing.parent_process()
    if parent is not None and os.getppid() != parent.pid:
        os._exit(1)
