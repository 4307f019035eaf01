"""Ctrl-C reaches the command wherever Python is at that moment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import os, signal, time
from evscli.cli.interrupts import catch_interrupts

class Freed:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)

signal.signal(signal.SIGINT, signal.default_int_handler)  # where it is ignored, it stays so
seen = catch_interrupts()
try:
    Freed()
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted", len(seen))
"""


def test_an_interrupt_while_an_object_is_freed_is_not_lost(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted 1\n", "")
