"""Runs `evs` as a real process, without paying for `import torch` every time.

A fork server imports the heavy modules once; every run is a fork of it with its own folder,
environment, output and exit code.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path

from evscli.child import start_server

_CONTEXT = multiprocessing.get_context("forkserver")

TIMEOUT = 120

STATE = tempfile.TemporaryDirectory(prefix="evs-test-state-")
"""What runs remember on this machine, so that no test writes to the home of whoever runs it."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a finished run left."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The only line on standard error that is no note."""
        lines = [line for line in self.err.splitlines() if not line.startswith("note: ")]
        assert len(lines) == 1, f"expected one line of error, got {lines}"
        return lines[0]


def no_change() -> None:
    """Leaves `evs` as it is."""


def run_main(arguments: list[str]) -> None:
    """What a process of `evs` does."""
    from evscli.cli import main

    main(arguments)


def _run_script(script: Path, arguments: list[str]) -> None:
    sys.argv = [str(script), *arguments]
    runpy.run_path(str(script), run_name="__main__")


class Running:
    """A run under way."""

    def __init__(
        self,
        *arguments: str | Path,
        cwd: Path,
        env: dict[str, str] | None = None,
        before: Callable[[], None] = no_change,
        command: Callable[[list[str]], None] = run_main,
    ) -> None:
        """`before` is called in the process before `command` begins."""
        self._folder = tempfile.TemporaryDirectory(prefix="evs-test-")
        self.out, self.err = (Path(self._folder.name) / name for name in ("out", "err"))
        for path in (self.out, self.err):
            path.touch()
        given = {"XDG_STATE_HOME": STATE.name, **(env or {})}
        run = partial(command, list(map(str, arguments)))
        self.process: BaseProcess = _CONTEXT.Process(
            target=_child,
            args=(str(cwd), given, str(self.out), str(self.err), before, run),
        )
        start_server(["tests.preload"])
        self.process.start()

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the run has ended already."""
        assert self.process.pid is not None
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, number)

    def wait(self) -> Result:
        self.process.join(TIMEOUT)
        hung = self.process.is_alive()
        if hung:
            self.process.kill()
            self.process.join()
        result = Result(
            code=self.process.exitcode if self.process.exitcode is not None else -1,
            out=self.out.read_text(),
            err=self.err.read_text(),
        )
        self.process.close()
        self._folder.cleanup()
        assert not hung, f"evs hung: {result}"
        return result


def run_evs(
    *arguments: str | Path,
    cwd: Path,
    env: dict[str, str] | None = None,
    before: Callable[[], None] = no_change,
) -> Result:
    """Run `evs` with `arguments` in the folder `cwd` and wait for it."""
    return Running(*arguments, cwd=cwd, env=env, before=before).wait()


def run_script(script: Path, *arguments: str | Path, cwd: Path) -> Result:
    """Run a Python script with `arguments` in the folder `cwd` and wait for it."""
    return Running(*arguments, cwd=cwd, command=partial(_run_script, script)).wait()


def wait_until(come: Callable[[], bool]) -> None:
    """Wait for something that a run does."""
    for _ in range(100 * TIMEOUT):
        if come():
            return
        time.sleep(0.01)
    raise AssertionError("it never came")


def _child(
    cwd: str,
    env: dict[str, str],
    out: str,
    err: str,
    before: Callable[[], None],
    run: Callable[[], None],
) -> None:
    for path, number in ((out, 1), (err, 2)):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(handle, number)
        os.close(handle)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", closefd=False)
    os.environ.update(env)
    os.chdir(cwd)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from evscli import child

    # This process is a fork of a clean one already; another would import torch once more.
    child.METHOD = "fork"
    before()
    run()
