"""How child processes begin: as forks of a clean process that has imported torch and PyAV once.

So a new child costs milliseconds, and none is a fork of a process with threads. Imports neither
torch nor PyAV itself.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

METHOD = "forkserver"
PR_SET_PDEATHSIG = 1
IMPORTED_ONCE = ["evscli.cli", "evscli.corpus.decoding.decoder"]


def warm_up() -> None:
    """Have the clean process started and importing while this one does something else."""
    if METHOD == "forkserver":
        forkserver.set_forkserver_preload(IMPORTED_ONCE)
        forkserver.ensure_running()


def start_child(target: Callable[..., None], *arguments: Any, parent: bool = False) -> BaseProcess:
    """Start a child; `parent`: it will have children too. Raises OSError and EOFError."""
    warm_up()
    child: BaseProcess = multiprocessing.get_context(METHOD).Process(  # type: ignore[attr-defined]
        target=target, args=arguments, daemon=not parent
    )
    child.start()
    return child


def end_with_parent() -> None:
    """For a child: be killed by the kernel when its parent dies, however busy a library is."""
    if Path("/proc").is_dir():  # Linux
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
