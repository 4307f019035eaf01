"""The steps, each run in a process of its own within the time that is left."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from benchmarks.harness import interpreter

T = TypeVar("T")

STEPS: Mapping[str, tuple[str, float]] = {
    "tests": ("benchmarks.gpu.running", 150),
    "repeat": ("benchmarks.gpu.running", 60),
    "methods": ("benchmarks.gpu.choosing", 60),
    "faults": ("benchmarks.gpu.running", 90),
    "encode": ("benchmarks.gpu.encoding", 90),
    "profile": ("benchmarks.gpu.encoding", 90),
    "packing": ("benchmarks.gpu.encoding", 60),
    "selection": ("benchmarks.gpu.choosing", 60),
    "places": ("benchmarks.gpu.encoding", 60),
    "workers": ("benchmarks.gpu.running", 90),
    "end_to_end": ("benchmarks.gpu.encoding", 120),
}
"""The module that holds each step's function, and the most seconds that it may take on a GPU.

What must hold comes first, and figures after it.
"""
NAMES = tuple(STEPS)
LEAST = 5.0
"""The seconds without which a step does not begin."""
CODE = "from benchmarks.gpu.steps import main; main()"


@dataclass(frozen=True)
class Setting:
    """The device, and the sizes that go with it."""

    device: str

    def of(self, full: T, toy: T) -> T:
        """Return the size for a GPU, or that for a CPU."""
        return toy if self.device == "cpu" else full


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The findings of a step."""

    text: str = ""
    """Markdown below its heading."""
    figures: Mapping[str, float] = field(default_factory=dict)
    problems: Sequence[str] = ()
    """What did not hold. The step counts as failed then."""


@dataclass(frozen=True, kw_only=True)
class Result(Outcome):
    """The outcome of a step, or why there is none."""

    state: str
    """ok, failed or skipped"""
    seconds: float = 0.0
    summary: str = ""
    """The reason, in one line."""


def run_steps(
    names: Sequence[str],
    setting: Setting,
    *,
    seconds: float,
    run: Callable[[str, Setting, float], Result] | None = None,
) -> dict[str, Result]:
    """Run steps one after the other, each within its own time and what is left of all of it."""
    start, results = time.monotonic(), {}
    for name in names:
        left = seconds - (time.monotonic() - start)
        if left < LEAST:
            results[name] = Result(state="skipped", summary="no time was left")
            continue
        most = min(left, setting.of(STEPS[name][1], left))
        results[name] = (run or in_process)(name, setting, most)
        one = results[name]
        print(f"{name:12} {one.seconds:5.1f} s  {one.state} {one.summary}", flush=True)
    return results


def in_process(name: str, setting: Setting, most: float) -> Result:
    """Run a step in a process of its own, which is killed after `most` seconds."""
    with tempfile.TemporaryDirectory(prefix=f"evs-gpu-{name}-") as temporary:
        folder, start = Path(temporary), time.monotonic()
        with (folder / "log").open("w") as log:
            process = interpreter.start(CODE, name, setting.device, temporary, out=log, err=log)
            while (code := process.poll()) is None and time.monotonic() - start < most:
                time.sleep(0.05)
            # What it started may still run, whether it ended or not.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        spent = time.monotonic() - start
        if code is None:
            return Result(state="failed", seconds=spent, summary=f"took more than {most:.0f} s")
        return read(folder, spent, code)


def read(folder: Path, seconds: float, code: int) -> Result:
    """Return the result that a process left in its folder."""
    try:
        outcome = Outcome(**json.loads((folder / "outcome").read_text()))
    except FileNotFoundError:
        lines = (folder / "log").read_text(errors="replace").strip().splitlines()
        why = f"ended with {code}: {lines[-1] if lines else ''}".replace("|", "/")
        log = "\n".join(lines[-30:])
        return Result(state="failed", seconds=seconds, summary=why, text=f"```\n{log}\n```")
    state = "failed" if outcome.problems else "ok"
    summary = "; ".join(outcome.problems).replace("|", "/")
    return Result(**{**asdict(outcome), "state": state, "seconds": seconds, "summary": summary})


def main() -> None:
    """Run the step that the command line names, and write its outcome into the folder given."""
    with suppress(PermissionError):  # of a process that leads a group already
        os.setsid()
    name, device, folder = sys.argv[1:]
    try:
        step = getattr(import_module(STEPS[name][0]), name)
        outcome = step(Setting(device=device), Path(folder))
    except BaseException:
        traceback.print_exc()
        sys.exit(1)
    (Path(folder) / "outcome").write_text(json.dumps(asdict(outcome)))
