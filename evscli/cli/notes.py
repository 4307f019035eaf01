"""The output of commands beside their results, on standard error: notes, warnings, progress."""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from evscli.records import Failure
from evscli.texts import one_line

SECONDS_BETWEEN_LINES = 20

DEBUG: ContextVar[bool] = ContextVar("debug", default=False)
"""Whether tracebacks were asked for."""


def note(text: str) -> None:
    """Print a note beside the results."""
    print(f"note: {one_line(text)}", file=sys.stderr, flush=True)


class NoteHandler(logging.Handler):
    """Says what the library logs as a warning."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(level=logging.WARNING)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Say one line."""
        self._say(record.getMessage())


@contextmanager
def logged_as(say: Callable[[str], None]) -> Iterator[None]:
    """Pass the warnings that the library logs to `say`, for the time of a `with` block."""
    logger = logging.getLogger("evscli")
    before, logger.handlers = logger.handlers, [NoteHandler(say)]
    try:
        yield
    finally:
        logger.handlers = before


def say_failure(failure: Failure, more: str = "") -> None:
    """Print in one line why a video failed, below the traceback where those were asked for."""
    show_traceback(failure)
    print(f"error: {one_line(failure.message)}{more}", file=sys.stderr, flush=True)


def show_traceback(failure: Failure) -> None:
    """Print the traceback of a failed video where tracebacks were asked for."""
    if DEBUG.get() and failure.traceback is not None:
        print(failure.traceback, file=sys.stderr, flush=True)


@contextmanager
def progress(total: int, *, unit: str = "answer") -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal, or notes now and then, and yield the function that advances it."""
    from tqdm import tqdm

    shown = sys.stderr.isatty()
    said, done = time.monotonic(), 0
    with tqdm(total=total, unit=unit, disable=not shown, dynamic_ncols=True) as bar:

        def advance(count: int) -> None:
            nonlocal said, done
            bar.update(count)
            done += count
            if not shown and time.monotonic() - said >= SECONDS_BETWEEN_LINES:
                said = time.monotonic()
                note(f"{done:,} of {total:,} {unit}s")

        yield advance


@contextmanager
def noted_warnings() -> Iterator[None]:
    """Print every warning once, as a note, at the end of the work."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        yield
    for message in dict.fromkeys(str(warning.message) for warning in caught):
        note(message)
