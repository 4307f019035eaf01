"""Benchmarks at their smallest, two at a time, as forks of a process with all imports.

The processes that a benchmark starts are forks too, except for those that Ray starts.
"""

from __future__ import annotations

import multiprocessing
import os
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from benchmarks.harness import catalogue, interpreter, quotes
from benchmarks.harness.benchmark import SkippedError
from benchmarks.harness.pages import PAGES
from evscli.cli.loading import HEAVY

LONGEST = ("gpu", "engines", "store_dtype", "soak", "reading", "corpus")
"""The benchmarks that begin first, so that both processes end at about the same time."""


def run(names: Sequence[str]) -> int:
    """Print a line for each and return the exit code, which is 1 where one failed."""
    os.environ["OMP_NUM_THREADS"] = "1"  # two run at a time
    context = multiprocessing.get_context("forkserver")
    # Models first: `evs` hides packages from imports of theirs that are only half done.
    context.set_forkserver_preload([*HEAVY, *(f"benchmarks.{name}" for name in names)])
    start, failed = time.monotonic(), []
    with ProcessPoolExecutor(2, mp_context=context, max_tasks_per_child=1) as pool:
        order = sorted(names, key=lambda name: (*LONGEST, name).index(name))
        runs = {pool.submit(once, name): name for name in order}
        for done in as_completed(runs):
            seconds, said = done.result()
            print(f"{runs[done]:19} {seconds:5.1f} s  {said}", flush=True)
            if said.startswith("Traceback"):
                failed.append(runs[done])
    print(f"{len(names)} benchmarks in {time.monotonic() - start:.0f} s")
    if failed:
        print(f"failed: {', '.join(failed)}")
    return int(bool(failed))


def once(name: str) -> tuple[float, str]:
    """Return the seconds of one run, and its result in words."""
    from evscli import child

    # This process is a fork of a clean one already; another would import torch once more.
    child.METHOD = "fork"
    interpreter.FRESH = False
    benchmark, start = catalogue.load(name), time.monotonic()
    try:
        report = benchmark.measure(**benchmark.smoke)
        wanted = set() if benchmark.smoke_is_partial else quotes.quoted(name, PAGES)
        lacking = wanted - report.figures.keys()
        assert not lacking, f"pages quote figures that are not among them: {sorted(lacking)}"
        said = f"{len(report.figures)} figures"
    except SkippedError as reason:
        said = f"skipped: {reason}"
    except BaseException:
        said = traceback.format_exc()
    return time.monotonic() - start, said
