"""Memory and time of the selection alone on four hours of video, against ten minutes.

The tokens lie in a file that is mapped, as those of a long video do in `evs prune`, so anonymous
memory is what a method adds. Every method runs in a process of its own, which reads its RssAnon
every 10 ms.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.harness import Benchmark, Report
from benchmarks.harness.peaks import anonymous_kib
from evscli.pruners import check_selection, select_tokens
from evscli.records import VideoTokens

CELLS = (8, 8)
WIDTH = 1024
BUDGET = 0.1
METHODS = ("surprise", "vcast", "vidcom2", "evs", "dtd", "dycoke", "norm", "glean")
OPTIONS: dict[str, Mapping[str, int]] = {"glean": {"history": 16}}
"""The options of methods. With its usual history of 256 frames glean takes far longer."""


@dataclass(frozen=True, kw_only=True)
class Selected:
    """One selection in a process of its own."""

    seconds: float
    mebibytes: float
    """The peak of anonymous memory above that before the selection."""


def write_tokens(path: Path, frames: int) -> None:
    """Write a drifting scene with noise: [T, h, w, D] in bfloat16, 64 frames at a time."""
    generator = torch.Generator().manual_seed(0)
    scene = torch.randn((*CELLS, WIDTH), generator=generator)
    with path.open("wb") as file:
        for start in range(0, frames, 64):
            some = min(64, frames - start)
            noise = torch.randn((some, *CELLS, WIDTH), generator=generator).mul_(0.3)
            walk = torch.arange(start, start + some).view(-1, 1, 1, 1) / 64
            tokens = (noise + scene * walk.cos()).bfloat16()
            file.write(tokens.view(torch.uint8).numpy().data)


def select(path: Path, frames: int, method: str) -> Selected:
    """Return the time and memory of one method, in this process."""
    size = (frames, *CELLS, WIDTH)
    values = frames * CELLS[0] * CELLS[1] * WIDTH
    embeds = torch.from_file(str(path), shared=True, size=values, dtype=torch.bfloat16).view(size)
    request = check_selection(method, BUDGET, OPTIONS.get(method))
    select_tokens(request, VideoTokens.from_embeds(embeds[:4]))  # imports and threads
    before, peak, done = anonymous(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            peak[0] = max(peak[0], anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    kept = select_tokens(request, VideoTokens.from_embeds(embeds))
    seconds = time.perf_counter() - start
    peak[0] = max(peak[0], anonymous())
    done.set()
    watcher.join()
    assert kept.count == kept.expected
    return Selected(seconds=seconds, mebibytes=max(0, peak[0] - before) / 1024)


def anonymous() -> int:
    """Return RssAnon of this process in KiB."""
    return anonymous_kib(multiprocessing.current_process().pid or 0)


def measure(*, hours: float = 4.0, minutes: float = 10.0, fps: float = 2.0) -> Report:
    """Measure every method on a video of `hours` and on one of `minutes`."""
    lengths = [int(seconds * fps / 2) for seconds in (60 * minutes, 3600 * hours)]
    found: dict[tuple[str, int], Selected] = {}
    alone = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="evs-long-") as folder:
        for frames in lengths:
            path = Path(folder) / f"{frames}.bin"
            write_tokens(path, frames)
            for method in METHODS:
                with alone.Pool(1) as pool:
                    found[method, frames] = pool.apply(select, (path, frames, method))
    short, long = lengths
    size = long * CELLS[0] * CELLS[1] * WIDTH * 2 / 2**20
    rows = "\n".join(
        f"| `{method}` | {found[method, short].mebibytes:,.0f} MiB | "
        f"{found[method, long].mebibytes:,.0f} MiB | {found[method, long].seconds:.1f} s |"
        for method in METHODS
    )
    return Report(
        title="Selection on four hours of video",
        body=(
            f"{hours:g} hours at {fps:g} frames a second are {long:,} temporal patches of "
            f"{CELLS[0]}x{CELLS[1]} tokens of width {WIDTH} in bfloat16, {size:,.0f} MiB in a "
            f"mapped file; {minutes:g} minutes are {short:,}. Budget {BUDGET}. Memory is what is "
            "added to the tokens, scores, mask and order included. glean has history=16.\n\n"
            f"| method | {minutes:g} minutes | {hours:g} hours | time for {hours:g} hours |\n"
            f"|---|---:|---:|---:|\n{rows}"
        ),
        figures={
            f"{method} {what}": value
            for method in METHODS
            for what, value in (
                ("MiB", found[method, long].mebibytes),
                ("s", found[method, long].seconds),
            )
        },
    )


BENCHMARK = Benchmark(
    measure=measure,
    smoke={"hours": 0.01, "minutes": 0.3},
    code=(
        "pruners/methods/surprise.py",
        "pruners/methods/glean.py",
        "pruners/ops/frames.py",
        "pruners/ops/novelty.py",
        "pruners/ops/sketch.py",
    ),
    minutes=2.5,
)
