"""Two workers in processes, in actors of a Ray cluster, and one worker on the same machine.

The one worker computes with as many threads as the two together, in the process of the command, as
`evs prune` does without `--workers`. The seconds until the workers are up, model and all, are
measured apart from those of the work: the first are paid once for each run. Ray gives its workers a
low priority. This is turned off here, since a machine that does something else would slow one way
only. All stores must hold the same tensors.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from benchmarks.corpus import SAMPLES, Silent
from benchmarks.harness import Benchmark, Report
from evscli.corpus.executors.engine import Engine
from evscli.corpus.executors.local import prune_corpus
from evscli.corpus.executors.ray import prune_on_ray
from evscli.corpus.executors.ray.cluster import connected
from evscli.corpus.inputs import find_videos
from evscli.corpus.tasks import Summary, Task
from evscli.job import Pruning, Selection
from evscli.job.loading import make_pruner
from evscli.records import VideoInput
from evscli.store import open_store

ONE = "one worker"


class Watch(Silent):
    """A listener that records when the workers are up."""

    def begin(self, tasks: Sequence[Task], summaries: Sequence[Summary]) -> None:  # noqa: ARG002
        """Record the time."""
        self.up = time.perf_counter()


@dataclass(frozen=True)
class Took:
    """The seconds of one run."""

    start: float
    work: float


def run(prune: Callable[..., list[Summary]], videos: Sequence[VideoInput], folder: Path) -> Took:
    """Run one engine on the videos."""
    pruning = Pruning(selection=Selection(methods=("vcast",), budgets=(0.3,)))
    watch, began = Watch(), time.perf_counter()
    prune(videos, partial(make_pruner, pruning), [folder], listener=watch)
    return Took(watch.up - began, time.perf_counter() - watch.up)


def check_equal(one: Path, other: Path) -> None:
    """Raise SystemExit unless two stores hold the same tensors."""
    first, second = open_store(one), open_store(other)
    if list(first) != list(second):
        raise SystemExit("the stores hold other videos")
    for video in first:
        mine, yours = first[video].tensors(), second[video].tensors()
        if mine.keys() == yours.keys() and all(torch.equal(mine[k], yours[k]) for k in mine):
            continue
        raise SystemExit("the stores differ")


def compare(videos: Sequence[VideoInput], workers: int, rounds: int) -> dict[str, list[Took]]:
    """Run the ways in turns."""
    ways = {
        ONE: partial(prune_corpus, engine=Engine()),
        "processes": partial(prune_corpus, engine=Engine(devices=("cpu",) * workers)),
        "actors": partial(prune_on_ray, engine=Engine(), workers=workers),
    }
    took: dict[str, list[Took]] = {name: [] for name in ways}
    for number in range(rounds + 1):  # the first one warms up
        with tempfile.TemporaryDirectory() as temporary:
            for name in [*ways][:: -1 if number % 2 else 1]:
                taken = run(ways[name], videos, Path(temporary) / name)
                took[name] += [taken] if number or not rounds else []
            for name in ways:
                check_equal(Path(temporary) / ONE, Path(temporary) / name)
    return took


def measure(*, rounds: int = 2, copies: int = 8, samples: int = 5, workers: int = 2) -> Report:
    """Measure `workers` of both kinds on `copies` of `samples` sample videos, `rounds` times."""
    found = find_videos([str(SAMPLES)])[:samples]
    videos = [replace(v, id=f"{v.id}-{copy}") for copy in range(copies) for v in found]
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - so Ray spells it
    with connected("local"):
        took = compare(videos, workers, rounds)
    rows = "\n".join(
        f"| {name} | {spread([t.start for t in taken])} | {spread([t.work for t in taken])} |"
        for name, taken in took.items()
    )
    figures = {f"{name} up": statistics.median(t.start for t in took[name]) for name in took}
    pairs = zip(took["processes"], took[ONE], strict=True)
    figures["processes / one"] = statistics.median(two.work / one.work for two, one in pairs)
    figures |= {f"{name} work": statistics.median(t.work for t in took[name]) for name in took}
    return Report(
        title="Workers: processes, actors of Ray, and one alone",
        body=(
            f"{len(videos)} videos, mini, V-CAST at 0.3; median and range of {rounds} rounds in "
            "turns, equal tensors; the one worker has the threads of all, and its modules are "
            "loaded. The cluster was started before; load of the machine by all that ran: "
            f"{os.getloadavg()[1]:.1f}.\n\n"
            f"| {workers} workers in, or one | until they are up | work |\n|---|---:|---:|\n{rows}"
        ),
        figures=figures,
    )


def spread(seconds: Sequence[float]) -> str:
    """Return median and range as text."""
    return f"{statistics.median(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f})"


BENCHMARK = Benchmark(
    measure=measure,
    smoke={"rounds": 0, "copies": 1, "samples": 1, "workers": 1},
    code=(
        "corpus/executors/processes.py",
        "corpus/executors/pool.py",
        "corpus/executors/ray/actors.py",
    ),
    minutes=2,
)
