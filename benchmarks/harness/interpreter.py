"""Python code run in a process of its own, which is measured from outside or prints its result.

A measurement starts a fresh interpreter, as a user does. A smoke run forks this process, in which
everything is imported already: the same code runs, and some twenty imports of torch are saved.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Protocol

FRESH = True
EVS = "from evscli.cli import main; main()"
"""The code of the command line."""


class Process(Protocol):
    """A process that runs."""

    @property
    def pid(self) -> int:
        """The number of the process."""

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""

    def wait(self) -> int:
        """Wait for the end and return the exit code."""


def start(
    code: str,
    *arguments: str,
    out: IO[str] | None = None,
    err: IO[str] | None = None,
    folder: Path | None = None,
) -> Process:
    """Start `python -c code arguments` in a folder, its streams going to files."""
    if not FRESH:
        return _Fork(code, arguments, (out, err), folder)
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, stdout=out, stderr=err, cwd=folder)


def printed(code: str, *arguments: str) -> str:
    """Return the output of the code. Raises SystemExit where it fails."""
    with tempfile.TemporaryFile("w+") as out:
        if start(code, *arguments, out=out).wait():
            raise SystemExit(f"python -c {code!r} {' '.join(arguments)} failed")
        out.seek(0)
        return out.read()


class _Fork:
    """A copy of this process that runs some code."""

    def __init__(
        self,
        code: str,
        arguments: tuple[str, ...],
        streams: tuple[IO[str] | None, IO[str] | None],
        folder: Path | None,
    ) -> None:
        given = (code, arguments, streams, folder)
        self._process = multiprocessing.get_context("fork").Process(target=_run, args=given)
        self._process.start()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid or 0

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self._process.exitcode

    def wait(self) -> int:
        """Wait for the end and return the exit code."""
        self._process.join()
        return self._process.exitcode or 0


def _run(
    code: str,
    arguments: tuple[str, ...],
    streams: tuple[IO[str] | None, IO[str] | None],
    folder: Path | None,
) -> None:
    for number, stream in enumerate(streams, 1):
        if stream is not None:
            os.dup2(stream.fileno(), number)
    if folder is not None:
        os.chdir(folder)
    # The settings are those of a fresh interpreter, whatever this one had changed.
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    sys.argv = ["-c", *arguments]
    exec(code, {"__name__": "__main__"})
