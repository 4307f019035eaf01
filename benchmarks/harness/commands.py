"""The commands of `python -m benchmarks`."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import age, catalogue, quotes, results
from benchmarks.harness.benchmark import SkippedError
from benchmarks.harness.pages import PAGES

ROOT = Path(__file__).parents[2]


def show() -> int:
    """Print a line for every benchmark: its subject, and whether its results are up to date."""
    for name in catalogue.names():
        print(f"{name:19} {catalogue.summary(name)}")
        print(f"{'':19}   {state(name)}")
    return 0


def state(name: str) -> str:
    """Return the age of the results of a benchmark in words."""
    try:
        result = results.read(name)
    except FileNotFoundError:
        return "not measured yet"
    since = age.changed(result.code)
    if since:
        return f"measured on {result.date}, before {', '.join(since)} changed"
    kept = f"; kept since: {result.kept}" if result.kept else ""
    return f"measured on {result.date}{kept}"


def measure(name: str, arguments: list[str]) -> int:
    """Measure one, print its page, and write it where its options are the published ones."""
    if _unknown([name]):
        return 2
    benchmark = catalogue.load(name)
    defaults = catalogue.defaults(benchmark)
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks {name}", description=catalogue.summary(name)
    )
    for option, value in defaults.items():
        flag = f"--{option.replace('_', '-')}"
        parser.add_argument(flag, type=type(value), default=value, help=f"{value} if not given")
    options = vars(parser.parse_args(arguments))
    code = age.digests(name, benchmark.code)
    try:
        report = benchmark.measure(**options)
    except SkippedError as reason:
        print(f"{name} skipped: {reason}")
        return 0
    result = results.describe(catalogue.command(name, options), code, report)
    print(results.page(result, report))
    if options != defaults:
        print("Nothing was written: the published figures are those of the default options.")
        return 0
    results.publish(name, result, report)
    for page in quotes.rewrite(ROOT, PAGES):
        print(f"{page} has the new figures.")
    return 0


def measure_all() -> int:
    """Measure all, each in a process of its own."""
    failed = []
    for name in catalogue.names():
        print(f"== {name}: about {catalogue.load(name).minutes:g} min", flush=True)
        start = time.monotonic()
        if subprocess.run([sys.executable, "-m", "benchmarks", name], cwd=ROOT).returncode:
            failed.append(name)
        print(f"== {name}: {(time.monotonic() - start) / 60:.1f} min\n", flush=True)
    if failed:
        print(f"failed, and their results are as they were: {', '.join(failed)}")
    return int(bool(failed))


def keep(name: str, because: str) -> int:
    """Keep the results of a benchmark for the code as it is now."""
    if _unknown([name]):
        return 2
    results.keep(name, because, age.digests(name, catalogue.load(name).code))
    return 0


def smoke(names: list[str]) -> int:
    """Run benchmarks at their smallest."""
    from benchmarks.harness.smoke import run

    if _unknown(names):
        return 2
    return run(names or catalogue.names())


def _unknown(names: Sequence[str]) -> bool:
    """Whether one of them is not a benchmark, which is printed."""
    known = catalogue.names()
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"{unknown[0]} is not a benchmark; there are {', '.join(known)}", file=sys.stderr)
    return bool(unknown)
