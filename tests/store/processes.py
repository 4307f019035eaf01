"""Runs a function of a test in a process of its own that has imported torch already."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.preload"])

TIMEOUT = 60


def start(work: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Start `work(*arguments)`; both must be importable by name."""
    process = _CONTEXT.Process(target=work, args=arguments)
    process.start()
    return process


def finish(process: BaseProcess) -> None:
    """Wait for a process and assert that it went well."""
    process.join(TIMEOUT)
    assert process.exitcode == 0
