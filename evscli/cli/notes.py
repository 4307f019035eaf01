"""What commands say beside their results, on standard error: notes, warnings, progress."""

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
    """Say something beside the answer."""
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
    """Have what the library logs as a warning said in this way."""
    logger = logging.getLogger("evscli")
    before, logger.handlers = logger.handlers, [NoteHandler(say)]
    try:
        yield
    finally:
        logger.handlers = before


def say_failure(failure: Failure, more: str = "") -> None:
    """Say in one line why a video failed, below the traceback where those were asked for."""
    show_traceback(failure)
    print(f"error: {one_line(failure.message)}{more}", file=sys.stderr, flush=True)


def show_traceback(failure: Failure) -> None:
    """Show where a video failed, where that was asked for."""
    if DEBUG.get() and failure.traceback is not None:
        print(failure.traceback, file=sys.stderr, flush=True)


def quiet_loading() -> None:
    """Loading shows no progress bar where nobody watches."""
    from transformers.utils import logging

    if not sys.stderr.isatty():
        logging.disable_progress_bar()


@contextmanager
def progress(total: int, *, unit: str = "answer") -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, told of what is done; now and then a line where that is piped."""
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
    """Say every warning once, as a note, when the work is over."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        yield
    for message in dict.fromkeys(str(warning.message) for warning in caught):
        note(message)
