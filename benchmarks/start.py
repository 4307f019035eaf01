"""The time until help is on the screen: `evs --help` against the smallest program of Typer.

This start is a cost of every command.
"""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

from benchmarks.harness import Benchmark, Report

BARE = """
import typer
app = typer.Typer()
@app.command()
def one(name: str) -> None: ...
@app.command()
def two(name: str) -> None: ...
app()
"""
PROGRAMS = {
    "a bare Typer program": ("-c", BARE, "--help"),
    "evs --help": ("-m", "evscli", "--help"),
}


def seconds_of(arguments: tuple[str, ...]) -> float:
    """Return the seconds that a fresh interpreter takes."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def measure(*, rounds: int = 15) -> Report:
    """Run both programs in turn, `rounds` times each."""
    taken: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(rounds + 1):
        for name, arguments in PROGRAMS.items():
            taken[name].append(seconds_of(arguments))
    bare, ours = (median(seconds[1:]) for seconds in taken.values())  # the first fill caches
    return Report(
        title="Time until help is shown",
        body=(
            f"A bare Typer program with two commands: {bare:.2f} s. `evs --help`: {ours:.2f} s, "
            f"{ours / bare:.1f} times as long. Median of {rounds} fresh interpreters each."
        ),
        figures={"bare": bare, "evs": ours, "ratio": ours / bare},
    )


BENCHMARK = Benchmark(
    measure=measure,
    smoke={"rounds": 1},
    code=("cli/__init__.py", "cli/command.py", "option.py"),
    minutes=1,
)
