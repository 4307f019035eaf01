"""Steps that do what their names say, for the tests of the processes that run steps."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from benchmarks.gpu.steps import Outcome, Setting


def holds(setting: Setting, folder: Path) -> Outcome:
    assert folder.is_dir()
    return Outcome(text=f"On {setting.device}.", figures={"size": setting.of(100, 1)})


def differs(*_: object) -> Outcome:
    return Outcome(problems=["one | two", "three"])


def raises(*_: object) -> Outcome:
    raise RuntimeError("CUDA error: an illegal memory access was encountered")


def dies(*_: object) -> Outcome:
    os.kill(os.getpid(), signal.SIGKILL)
    return Outcome()


def hangs(*_: object) -> Outcome:
    time.sleep(1000)
    return Outcome()
