"""Ctrl-C: the first ends a command in order, the second at once."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

INTERRUPTED = 130

_seen: list[int] = []


def catch_interrupts() -> list[int]:
    """A list that grows with every Ctrl-C from now on; the first raises KeyboardInterrupt."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where it is ignored
        signal.signal(signal.SIGINT, _interrupt)
    return _seen


def catch_termination() -> None:
    """Let SIGTERM, with which a scheduler ends a job, be as Ctrl-C."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    _seen.append(number)
    if len(_seen) == 1:
        raise KeyboardInterrupt
    # Whatever is being written is left as a kill would leave it: the next run puts it right.
    print("interrupted again: stopped at once", file=sys.stderr, flush=True)
    os._exit(INTERRUPTED)
