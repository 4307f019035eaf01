"""How child processes begin: as forks of a clean process that has imported torch and PyAV once.

So a new child costs milliseconds, and none is a fork of a process with threads. Imports neither
torch nor PyAV itself.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from typing import Any

METHOD = "forkserver"
IMPORTED_ONCE = ["evscli.cli", "evscli.corpus.decoder"]


def warm_up() -> None:
    """Have the clean process started and importing while this one does something else."""
    if METHOD == "forkserver":
        forkserver.set_forkserver_preload(IMPORTED_ONCE)
        forkserver.ensure_running()


def start_child(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Start a child that dies with this process. Raises OSError and EOFError."""
    warm_up()
    child: BaseProcess = multiprocessing.get_context(METHOD).Process(  # type: ignore[attr-defined]
        target=target, args=arguments, daemon=True
    )
    child.start()
    return child
