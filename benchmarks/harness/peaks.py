"""The peak of anonymous memory of `evs` in a process of its own."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from benchmarks.harness import interpreter

LITTLE = "from evscli import scratch; scratch.free_memory = lambda: 0; "
"""The code by which `evs` takes this machine for one without free memory."""

PLENTY = "from evscli import scratch; scratch.free_memory = lambda: 1 << 50; "
"""The code by which `evs` takes this machine for one whose memory holds everything."""


def anonymous_kib(pid: int) -> int:
    """Return RssAnon of a process in KiB, 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)


def peak_of(command: list[str], *, before: str = LITTLE) -> tuple[float, float]:
    """Return the peak of anonymous MiB and the seconds of an `evs` command.

    `before` is code that the process runs first.
    """
    start, peak = time.monotonic(), 0
    with Path(os.devnull).open("w") as nowhere:
        process = interpreter.start(before + interpreter.EVS, *command, out=nowhere)
    watcher = threading.Event()
    while process.poll() is None:
        peak = max(peak, anonymous_kib(process.pid))
        watcher.wait(0.01)
    if process.wait():
        raise SystemExit(f"evs {' '.join(command)} failed")
    return peak / 1024, time.monotonic() - start
