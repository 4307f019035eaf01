"""Ctrl-C: the first one ends a command in order, the second one at once."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

INTERRUPTED = 130

_seen: list[int] = []


def catch_interrupts() -> list[int]:
    """Return a list that grows with every Ctrl-C. The first one raises KeyboardInterrupt."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where it is ignored
        signal.signal(signal.SIGINT, _interrupt)
    return _seen


def catch_termination() -> None:
    """Treat SIGTERM, with which a scheduler ends a job, like Ctrl-C."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    _seen.append(number)
    if len(_seen) == 1:
        raise KeyboardInterrupt
    # A file being written is left as a kill would leave it, and the next run repairs it.
    print("interrupted again: stopped at once", file=sys.stderr, flush=True)
    os._exit(INTERRUPTED)
