"""A child process, the pipe to it, and its end.

Decoders, workers and those who check shards are children. They begin as forks of a clean process:
so a new one costs milliseconds, and none is a fork of a process with threads. What is said through
the pipe, and how long is waited for it, is the matter of those who start them.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

METHOD = "forkserver"  # a plain fork of a process with threads hangs
PR_SET_PDEATHSIG = 1


def start_server(modules: list[str]) -> None:
    """Have the clean process started and importing `modules` while this one does something else."""
    if METHOD == "forkserver":
        forkserver.set_forkserver_preload(modules)
        forkserver.ensure_running()


class Child:
    """One child process, as who started it sees it."""

    def __init__(self, target: Callable[..., None], *arguments: Any, parent: bool = False) -> None:
        """Start `target(pipe, *arguments)`; `parent`: it will have children too.

        Raises OSError and EOFError where the system refuses.
        """
        context: Any = multiprocessing.get_context(METHOD)
        self.pipe, theirs = multiprocessing.Pipe()
        given = (target, theirs, *arguments)
        self._process: BaseProcess = context.Process(target=_begin, args=given, daemon=not parent)
        with theirs:
            self._process.start()

    def send(self, message: object) -> None:
        """Send something; that the child has died is noticed when an answer is expected."""
        with suppress(ConnectionError):
            self.pipe.send(message)

    def terminate(self) -> None:
        """Ask it to end by SIGTERM, unless it has ended."""
        if self._process.is_alive():
            self._process.terminate()

    def has_ended(self, *, within: float) -> bool:
        """Whether it has ended by itself, waiting for that so many seconds at most."""
        self._process.join(within)
        return self._process.exitcode is not None

    def kill(self) -> None:
        """End it while another thread may wait for it, which then finds it dead."""
        self._process.kill()

    def end(self, *, grace: float | None = 0.0) -> int:
        """Let nothing of it be left, after `grace` seconds to end by itself; None: all it takes.

        Returns its exit code, negative for the signal that ended it.
        """
        self._process.join(grace)
        self._process.kill()
        self._process.join()
        self.pipe.close()
        return self._process.exitcode or 0


def how_it_ended(code: int) -> str:
    """An exit code in words: `SIGBUS`, or `exit code 1`."""
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _begin(target: Callable[..., None], pipe: Connection, *arguments: Any) -> None:
    """What happens in the child."""
    if Path("/proc").is_dir():  # Linux: the kernel kills it with its parent, however busy it is
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # Ctrl-C reaches the whole group of processes; what it means is the decision of the first.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    target(pipe, *arguments)
