"""Runs `evs` in the process of the tests: the whole command, for a third of what a child costs.

A test that needs the process itself, such as one that signals or changes it, uses `tests.evs`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path
from unittest.mock import patch

import pytest

from evscli.cli import main
from tests.evs import STATE, Result


def run_here(*arguments: str | Path, cwd: Path, env: dict[str, str] | None = None) -> Result:
    """Run `evs` with `arguments` in the folder `cwd`."""
    given = {"XDG_STATE_HOME": STATE.name, **(env or {})}
    out, err = (TextIOWrapper(BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with (
        redirect_stdout(out),
        redirect_stderr(err),
        chdir(cwd),
        patch.dict(os.environ, given),
        _handlers_kept(),
        pytest.raises(SystemExit) as ended,
    ):
        main([*map(str, arguments)])
    assert isinstance(ended.value.code, int)
    return Result(code=ended.value.code, out=_text(out), err=_text(err))


def _text(stream: TextIOWrapper) -> str:
    stream.flush()
    written = stream.buffer
    assert isinstance(written, BytesIO)
    return written.getvalue().decode()


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Put back the handlers of signals that a command sets."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
