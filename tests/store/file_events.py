"""Acts whenever Python touches a file in this process: ends it, interrupts it, or looks around."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

NAMES = {
    "open",
    *(f"os.{name}" for name in "link listdir mkdir remove rename rmdir truncate".split()),
}


class FileEvents:
    """Acts at the n-th event from now on; an audit hook cannot be removed."""

    def __init__(self) -> None:
        self.left = -1
        self.act: Callable[[], None] = kill
        sys.addaudithook(self)

    def __call__(self, event: str, _: object) -> None:
        if self.left < 0 or event not in NAMES:
            return
        self.left -= 1
        if self.left < 0:
            self.act()


_events: list[FileEvents] = []


def arm(countdown: int, act: Callable[[], None]) -> FileEvents:
    """Let `act` be called at that event."""
    if not _events:
        _events.append(FileEvents())
    _events[0].act = act
    _events[0].left = countdown
    return _events[0]


def kill() -> None:
    """As `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt() -> None:
    """As Ctrl-C does."""
    raise KeyboardInterrupt
