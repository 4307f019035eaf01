"""Ctrl-C: the first one ends a command in order, the second one at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from threading import Timer
from types import FrameType
from typing import Any

INTERRUPTED = 130

AGAIN_SECONDS = 0.05
"""The seconds until an interrupt that was dropped comes again."""

_seen: list[int] = []
_holding: list[bool] = []


def catch_interrupts() -> list[int]:
    """Return a list that grows with every Ctrl-C. The first one raises KeyboardInterrupt."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where it is ignored
        signal.signal(signal.SIGINT, _interrupt)
        sys.unraisablehook = partial(_not_raised, sys.unraisablehook)
    return _seen


def _not_raised(before: Callable[[Any], None], found: Any) -> None:
    """Raise again what Python dropped: an interrupt that came while an object was being freed."""
    if found.exc_type is not KeyboardInterrupt:
        before(found)
        return
    _seen.clear()
    Timer(AGAIN_SECONDS, os.kill, (os.getpid(), signal.SIGINT)).start()


def catch_termination() -> None:
    """Treat SIGTERM, with which a scheduler ends a job, like Ctrl-C, unless it is ignored."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _interrupt)


def end_at_once() -> None:
    """Let each further signal end the process with the exit code of an interrupt.

    One that comes again, or late, would otherwise end it by the signal while Python cleans up.
    """
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: os._exit(INTERRUPTED))
    sys.unraisablehook = lambda _: None  # the interrupt may be dropped once more by then


@contextmanager
def held_back() -> Iterator[None]:
    """Raise KeyboardInterrupt for a signal that comes meanwhile at the end.

    Within an import it would be dropped, or abort the process where C++ is not prepared for it.
    """
    before = len(_seen)
    _holding.append(True)
    try:
        yield
    finally:
        _holding.pop()
    if not _holding and len(_seen) > before:
        raise KeyboardInterrupt


def _interrupt(number: int, _frame: FrameType | None) -> None:
    _seen.append(number)
    if len(_seen) == 1:
        if _holding:
            return
        raise KeyboardInterrupt
    # A file being written is left as a kill would leave it, and the next run repairs it.
    print("interrupted again: stopped at once", file=sys.stderr, flush=True)
    os._exit(INTERRUPTED)


@contextmanager
def stop_between_steps() -> Iterator[Callable[[], bool]]:
    """Yield a function: whether Ctrl-C or SIGTERM came. The second raises KeyboardInterrupt.

    The first waits for the end of a step, since a step broken off would leave weights that no run
    has.
    """
    asked: list[int] = []

    def ask(number: int, _frame: FrameType | None) -> None:
        if asked:
            with suppress(OSError):
                os.write(2, b"\nnote: the steps since the last checkpoint are lost\n")
            raise KeyboardInterrupt
        asked.append(number)
        with suppress(OSError):  # print() might be under way in the code that this breaks into
            os.write(2, b"\nnote: stopping after this step; once more loses the last steps\n")

    before = {each: signal.signal(each, ask) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
