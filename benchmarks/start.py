"""The start of a command: until help is shown, until the first line, and to the end of a short run.

Help is compared with the smallest program of Typer, and `evs prune` of a clip of 10 s with
`import torch, transformers`, which every program of a model pays.
"""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from benchmarks.harness import Benchmark, Report
from benchmarks.harness.interpreter import EVS, printed, start

CLIP = Path(__file__).parents[1] / "sample_videos" / "fixed-camera.mp4"
"""A video of 10 s."""

BARE = """
import typer
app = typer.Typer()
@app.command()
def one(name: str) -> None: ...
@app.command()
def two(name: str) -> None: ...
app()
"""
TORCH = "import torch"
MODELS = "import torch, transformers"
PARTS = """
import json, sys, time
from contextlib import ExitStack
from importlib import import_module
from evscli.cli.loading import HEAVY, NOT_FOR_ENCODERS, passed_over
from evscli.garbage import held_off

marks = [time.perf_counter()]
def mark():
    marks.append(time.perf_counter())
with ExitStack() as stack:
    if sys.argv[1] == "as evs does":
        stack.enter_context(passed_over(NOT_FOR_ENCODERS))
        stack.enter_context(held_off(for_good=True))
    import torch; mark()
    import transformers; mark()
    for name in HEAVY:
        import_module(name)
    mark()
from evscli.encoders.load import load_encoder
load_encoder("mini", device="cpu"); mark()
print(json.dumps([after - before for before, after in zip(marks, marks[1:])]))
"""
"""The code that prints the seconds of each part of loading a model."""

PLAIN, OURS = "plainly", "as evs does"
NAMES = ("torch", "transformers", "what models need of it", "mini")
"""The parts that `PARTS` prints."""


def seconds_of(*arguments: str) -> float:
    """Return the seconds that a fresh interpreter takes."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def seconds_to_prune(resize: str) -> dict[str, float]:
    """Return the seconds of `evs prune` on a terminal, to its first line and to its end."""
    screen, theirs = pty.openpty()
    with tempfile.TemporaryDirectory() as folder, os.fdopen(theirs, "w") as terminal:
        began = time.perf_counter()
        words = ("prune", str(CLIP), "--method", "vcast", "--budget", "0.3", "--resize", resize)
        with Path(os.devnull).open("w") as nothing:
            process = start(EVS, *words, out=nothing, err=terminal, folder=Path(folder))
        os.read(screen, 1)
        first = time.perf_counter() - began
        code = process.wait()
        whole = time.perf_counter() - began
    os.close(screen)
    if code:
        raise SystemExit(f"evs {' '.join(words)} failed")
    return {"first line": first, f"prune, {resize}": whole}


def seconds_of_parts(how: str) -> dict[str, float]:
    """Return the seconds of each part of loading a model."""
    taken = json.loads(printed(PARTS, how).splitlines()[-1])
    return {f"{how} {name}": seconds for name, seconds in zip(NAMES, taken, strict=True)}


def alone(name: str, *arguments: str) -> dict[str, float]:
    """Return the seconds of a fresh interpreter under a name."""
    return {name: seconds_of(*arguments)}


STARTS: Sequence[tuple[Callable[..., dict[str, float]], Sequence[str]]] = (
    (alone, ("bare", "-c", BARE, "--help")),
    (alone, ("evs", "-m", "evscli", "--help")),
    (alone, ("import torch", "-c", TORCH)),
    (alone, ("import models", "-c", MODELS)),
    (seconds_to_prune, ("cpu",)),
    (seconds_to_prune, ("device",)),
    (seconds_of_parts, (PLAIN,)),
    (seconds_of_parts, (OURS,)),
)
"""What is measured, one after the other in every round."""


def measure(*, rounds: int = 7) -> Report:
    """Run all of `STARTS` in turn, `rounds` times each."""
    taken: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds + 1):
        for run, arguments in STARTS:
            for name, seconds in run(*arguments).items():
                if number:  # the first round fills caches
                    taken[name].append(seconds)
    figures = {name: median(seconds) for name, seconds in taken.items()}
    figures["ratio"] = figures["evs"] / figures["bare"]
    figures["prune / import"] = figures["prune, cpu"] / figures["import models"]
    return Report(title="The start of a command", body=body(figures, rounds), figures=figures)


def body(figures: dict[str, float], rounds: int) -> str:
    """Return the page below its heading."""
    rows = "\n".join(
        f"| {name} | {figures[f'{PLAIN} {name}']:.2f} s | {figures[f'{OURS} {name}']:.2f} s |"
        for name in NAMES
    )
    return f"""\
A bare Typer program with two commands: {figures["bare"]:.2f} s. `evs --help`: \
{figures["evs"]:.2f} s, {figures["ratio"]:.1f} times as long.

`evs prune` of 10 s of video with `mini` has its first line on a terminal after \
{figures["first line"]:.2f} s and ends after {figures["prune, cpu"]:.2f} s, \
{figures["prune / import"]:.2f} times `python -c "import torch, transformers"` \
({figures["import models"]:.2f} s); `import torch` alone takes {figures["import torch"]:.2f} s. \
With `--resize device`, whose decoder process imports no torch, it ends after \
{figures["prune, device"]:.2f} s.

The parts of loading a model in one process, plainly, and as `evs prune` does: without searches \
for garbage and without packages that no encoder uses.

| part | {PLAIN} | {OURS} |
|---|--:|--:|
{rows}

Median of {rounds} fresh interpreters each, in turn."""


BENCHMARK = Benchmark(
    measure=measure,
    smoke={"rounds": 1},
    code=(
        "cli/__init__.py",
        "cli/command.py",
        "cli/loading.py",
        "cli/prune.py",
        "corpus/decoding/children.py",
        "garbage.py",
        "option.py",
    ),
    minutes=5,
)
