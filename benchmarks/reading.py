"""Verifying, merging and reading a store as a job array leaves it: 64 writers with a shard each.

Videos keep 64 to 1,024 tokens of width 1,024 in bfloat16. Files are in memory, so the figures are
of the work and not of the disk. Peak disk is read after every new shard is listed and before its
sources go, by an audit hook.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from benchmarks.harness import Benchmark, Report, interpreter
from evscli import prune_video
from evscli.datasets import PackedVideos, TokenBatches, VideoDataset, VideoStream, pack_videos
from evscli.records import PrunedVideo, RunConfig
from evscli.store import StoreMerge, StoreWriter

SAMPLE = Path(__file__).parents[1] / "sample_videos" / "fixed-camera.mp4"
WRITERS, WIDTH, BUDGET, BATCH = 64, 1024, 8192, 8


def make_store(folder: Path, videos: int) -> None:
    """Write a store in which every writer has its share of the videos, in one shard."""
    config = RunConfig(settings={"made": "for benchmarks.reading"})
    like = prune_video(SAMPLE, method="vcast", budget=0.3)
    draw = random.Random(0)
    for writer in range(WRITERS):
        with StoreWriter(folder, config, writer=writer) as store:
            for number in range(writer, videos, WRITERS):
                store.add(video(like, f"clip-{number:05d}", draw.randint(64, 1024)))


def video(like: PrunedVideo, name: str, kept: int) -> PrunedVideo:
    """Make a video of 1,024 cells that keeps the first `kept`."""
    mask = (torch.arange(1024) < kept).view(16, 8, 8)
    model = replace(like.info.model, embed_dim=WIDTH, deepstack_planes=0, dtype="bfloat16")
    info = replace(like.info, id=name, kept=kept, grid_thw=(16, 8, 8), model=model)
    return PrunedVideo(
        info=info,
        embeds=torch.randn(kept, WIDTH).bfloat16(),
        position_ids=mask.nonzero().to(torch.int32),
        keep_mask=mask,
        source_index=torch.arange(32),
        frame_times=torch.arange(32).double(),
        prompt_times=torch.arange(16).double(),
    )


def size_of(folder: Path) -> int:
    """Return the bytes of all files of a store."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def seconds(work: Callable[[], Any]) -> float:
    """Return the seconds that the work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def verify(folder: Path, processes: int) -> float:
    """Return the seconds of `evs inspect --verify`, starting it included."""
    command = ["inspect", "--verify", str(folder), "--processes", str(processes)]
    return seconds(lambda: interpreter.printed(interpreter.EVS, *command))


def merge(folder: Path) -> str:
    """Merge the store and return a sentence about it."""
    before, peak = size_of(folder), 0

    def watch(event: str, arguments: Any) -> None:
        nonlocal peak
        if event == "os.remove" and "shard-" in str(arguments[0]):
            peak = max(peak, sum(path.stat().st_size for path in folder.glob("shard-*")))

    sys.addaudithook(watch)
    with StoreMerge(folder) as work:
        old = work.totals()
        took = seconds(lambda: list(work.run()))
        new = work.totals()
    largest = max(path.stat().st_size for path in folder.glob("shard-*"))
    return (
        f"{old.shards} shards of {old.bytes / 1e6:,.0f} MB become {new.shards} of "
        f"{new.bytes / 1e6:,.0f} MB in {took:.1f} s ({old.bytes / 1e6 / took:,.0f} MB/s, every "
        f"digest checked); at most {(peak - before) / 1e6:,.0f} MB more on disk, the largest new "
        f"shard has {largest / 1e6:,.0f} MB."
    )


def read(loader: Iterable[PackedVideos]) -> float:
    """Return the seconds to read every batch."""
    return seconds(lambda: [batch.embeds.shape for batch in loader])


def readings(folder: Path, most: int) -> Iterator[str]:
    """Yield a line of the table for each way to read all videos, packed."""
    dataset = VideoDataset(folder)
    batches = TokenBatches(dataset, max_tokens=BUDGET, shuffle=True)
    size = 2 * WIDTH * int(dataset.kept.sum())
    ways: dict[str, tuple[Any, dict[str, Any]]] = {
        "VideoStream": (VideoStream(dataset), {"batch_size": BATCH}),
        "VideoStream, shuffled": (VideoStream(dataset, shuffle=True), {"batch_size": BATCH}),
        "TokenBatches, shuffled": (dataset, {"batch_sampler": batches}),
        "VideoDataset, random": (dataset, {"batch_size": BATCH, "shuffle": True}),
    }
    for name, (source, options) in ways.items():
        for workers in sorted({0, most}):
            context = "forkserver" if workers else None
            loader: DataLoader[Any] = DataLoader(
                source,
                collate_fn=pack_videos,
                num_workers=workers,
                multiprocessing_context=context,
                persistent_workers=bool(workers),
                **options,
            )
            read(loader)  # processes start, and files come into memory
            took = read(loader)
            yield f"| {name} | {workers} | {len(dataset) / took:,.0f} | {size / 1e6 / took:,.0f} |"


def filling(folder: Path) -> tuple[float, int, float]:
    """Return how full batches by tokens are, their number, and how full padded ones would be."""
    dataset = VideoDataset(folder)
    batches = list(TokenBatches(dataset, max_tokens=BUDGET, shuffle=True))
    packed = float(dataset.kept.sum()) / (BUDGET * len(batches))
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0))
    chunks = (order[start : start + BATCH] for start in range(0, len(order), BATCH))
    padded = sum(len(rows) * int(dataset.kept[rows].max()) for rows in chunks)
    return packed, len(batches), float(dataset.kept.sum()) / padded


def measure(*, videos: int = 1024, repeats: int = 2, workers: int = 2) -> Report:
    """Measure a store of `videos` videos, verified `repeats` times, read with `workers` too."""
    with tempfile.TemporaryDirectory(prefix="evs-reading-") as temporary:
        folder = Path(temporary) / "store"
        make_store(folder, videos)
        size = size_of(folder) / 1e6
        times = {count: min(verify(folder, count) for _ in range(repeats)) for count in (1, 2)}
        merged, ways = merge(folder), "\n".join(readings(folder, workers))
        packed, batches, padded = filling(folder)
    verified = "\n".join(
        f"| {WRITERS} shards of {size:,.0f} MB | {count} | {took:.1f} s |"
        for count, took in times.items()
    )
    return Report(
        title="Verifying, merging and reading",
        body=(
            "`evs inspect --verify`, starting it and importing torch included:\n\n"
            f"| store | processes | time |\n|---|---:|---:|\n{verified}\n\n`evs merge`:\n\n"
            f"{merged}\n\nReading all of the merged store into packed batches, in a second epoch:"
            f"\n\n| way | processes | videos/s | MB/s |\n|---|---:|---:|---:|\n{ways}\n\n"
            f"Batches of at most {BUDGET:,} tokens are {packed:.1%} full on average ({batches} "
            f"batches); of batches of {BATCH} videos padded to the longest, {padded:.1%} would be "
            "tokens."
        ),
        figures={
            "size, GB": size / 1000,
            **{f"verify {count}": took for count, took in times.items()},
            "packed, %": 100 * packed,
            "padded, %": 100 * padded,
        },
    )


BENCHMARK = Benchmark(
    measure=measure,
    smoke={"videos": WRITERS, "repeats": 1, "workers": 0},
    code=("store/integrity.py", "store/merge.py", "datasets/stream.py", "datasets/batches.py"),
    minutes=2,
)
