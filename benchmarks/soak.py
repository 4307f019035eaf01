"""Memory and open files of the local engine over thousands of short clips.

`evs prune` runs as a process of its own with its default number of decoders and some clips that
fail. Twice a second it and all its children are looked at: memory that is theirs alone (Pss, so
that shared pages count once) and open files.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import Benchmark, Report, interpreter
from evscli.store import open_store
from tests.videos import truncate, write_video

DIFFERENT = 25
SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)
"""The shares of the clips done at which the state is reported."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """The state of the run at one moment."""

    done: int
    megabytes: float
    files: int
    processes: int


def make_clips(folder: Path, clips: int, broken: int) -> None:
    """Write clips of a second, `broken` of them cut off."""
    for number in range(min(DIFFERENT, clips)):
        write_video(folder / f"{number:05}.mp4", frames=24, seed=number)
    for number in range(DIFFERENT, clips):
        shutil.copy(folder / f"{number % DIFFERENT:05}.mp4", folder / f"{number:05}.mp4")
    for number in range(broken):
        truncate(folder / f"{DIFFERENT + number * (clips // broken - 1):05}.mp4")


def family(pid: int) -> Iterator[int]:
    """Yield a process and all that descend from it."""
    yield pid
    try:
        tasks = [*Path(f"/proc/{pid}/task").glob("*/children")]
        children = [int(child) for task in tasks for child in task.read_text().split()]
    except OSError:
        return
    for child in children:
        yield from family(child)


def look(pid: int, done: int) -> Look:
    """Return the memory and open files of all of them now."""
    kilobytes = files = processes = 0
    for member in family(pid):
        try:
            rollup = Path(f"/proc/{member}/smaps_rollup").read_text()
            files += len([*Path(f"/proc/{member}/fd").iterdir()])
        except OSError:
            continue
        kilobytes += int(next(x for x in rollup.splitlines() if x.startswith("Pss:")).split()[1])
        processes += 1
    return Look(done=done, megabytes=kilobytes / 1024, files=files, processes=processes)


def run(folder: Path) -> tuple[list[Look], float, int]:
    """Return the states during a run, its seconds and its exit code."""
    command = ["prune", "in", "--method", "vcast", "--budget", "0.3", "--model", "mini"]
    command += ["-o", "store", "--json"]
    looks = []
    with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        start = time.monotonic()
        evs = interpreter.start(interpreter.EVS, *command, out=out, err=err, folder=folder)
        while evs.poll() is None:
            lines = (folder / "out").read_text().count("\n")
            looks.append(look(evs.pid, max(0, lines - 1)))
            time.sleep(0.5)
    return looks, time.monotonic() - start, evs.wait()


def stretches(looks: list[Look], clips: int) -> list[Look]:
    """Return the highest state of every stretch of the run between two shares of the clips."""
    highest, seen = [], 0
    for share in SHARES:
        part = [each for each in looks[seen:] if each.done <= share * clips + 1]
        seen += len(part)
        if part:
            highest.append(
                Look(
                    done=part[-1].done,
                    megabytes=max(each.megabytes for each in part),
                    files=max(each.files for each in part),
                    processes=max(each.processes for each in part),
                )
            )
    return highest


def measure(*, clips: int = 4000, broken: int = 40) -> Report:
    """Measure `clips` clips, `broken` of them broken."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "in").mkdir()
        make_clips(folder / "in", clips, broken)
        looks, seconds, code = run(folder)
        store = open_store(folder / "store")
        finished, failed = len(store), len(store.failures)
    highest = stretches(looks, clips)
    rows = "\n".join(
        f"| {each.done:,} | {each.megabytes:.0f} | {each.files} | {each.processes} |"
        for each in highest
    )
    return Report(
        title="Many short clips: memory and open files",
        body=(
            f"{finished:,} pruned, {failed} failed, exit code {code}, {seconds:.0f} s with the "
            "start of Python. Highest values since the row before, all processes together.\n\n"
            f"| clips done | MiB | open files | processes |\n|---:|---:|---:|---:|\n{rows}"
        ),
        figures={
            "seconds": seconds,
            "GiB": max(each.megabytes for each in highest) / 1024,
            "files": max(each.files for each in highest),
        },
    )


BENCHMARK = Benchmark(
    measure=measure,
    smoke={"clips": 30, "broken": 1},
    code=("corpus/executors/local.py", "corpus/decoding/ahead.py", "corpus/decoding/process.py"),
    minutes=2.5,
)
