"""Time and memory to open a store of many videos, over many shards and writers.

The store has shards of 200 videos by 64 writers, with headers as real shards have them and tiny
tensors, since only headers and manifests are read. Each way of opening it runs in a process of its
own, whose growth after its imports is the peak memory. `headers` uses safetensors alone: it opens
every shard and maps its ids. `lines` reads every manifest line as a record, one at a time, and
`json` the same lines as dictionaries with Python's own module.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import Benchmark, Report, interpreter

if TYPE_CHECKING:
    from evscli.store.shard import ShardPart

SAMPLE = Path(__file__).parents[1] / "sample_videos" / "fixed-camera.mp4"
WRITERS, SHARD_VIDEOS = 64, 200


def make_store(folder: Path, videos: int) -> None:
    """Write a store whose videos all hold the same few tokens."""
    from evscli.records import RunConfig
    from evscli.store import StoreWriter
    from evscli.store.codec import fingerprint
    from evscli.store.manifest import append_entries, shard_entries
    from evscli.store.schema import shard_name
    from evscli.store.shard import write_shard

    config = RunConfig(settings={"made": "for benchmarks.open_store"})
    with StoreWriter(folder, config):
        pass
    make_part = part_maker()
    for shard, start in enumerate(range(0, videos, SHARD_VIDEOS)):
        number, writer = divmod(shard, WRITERS)
        path = folder / shard_name(writer, number)
        numbers = range(start, min(start + SHARD_VIDEOS, videos))
        write_shard(path, fingerprint(config.settings), list(map(make_part, numbers)))
        append_entries(folder, writer, shard_entries(path))


def part_maker() -> Callable[[int], ShardPart]:
    """Return a function that makes the n-th video: a real description with another id, 4 tokens."""
    import torch

    from evscli import prune_video
    from evscli.store.shard import ShardPart
    from evscli.store.shard_header import description_of

    record = prune_video(SAMPLE, method="vcast", budget=0.3)
    mask = torch.ones(1, 2, 2, dtype=torch.bool)
    tensors = record.tensors() | {
        "embeds": record.embeds[:4, :8].contiguous(),
        "position_ids": mask.nonzero().to(torch.int32),
        "keep_mask": mask,
        "source_index": record.source_index[:2],
        "frame_times": record.frame_times[:2],
        "prompt_times": record.prompt_times[:1],
    }
    if record.deepstack is not None:
        tensors["deepstack"] = record.deepstack[:, :4, :8].contiguous()

    def part(number: int) -> ShardPart:
        name = f"day-{number // 1000:04d}/clip-{number:08d}"
        sha256 = hashlib.sha256(name.encode()).hexdigest()
        source = replace(record.info.source, path=f"{name}.mp4", size=number, sha256=sha256)
        info = replace(record.info, id=name, source=source, kept=4, grid_thw=(1, 2, 2))
        return ShardPart(id=name, description=description_of(info, sha256[::-1]), tensors=tensors)

    return part


def by_open_store(folder: Path) -> int:
    """Open the store to read."""
    from evscli import open_store

    return len(open_store(folder))


def by_writer(folder: Path) -> int:
    """Open the store to go on writing, which also looks at the size of every shard."""
    from evscli.store import StoreWriter
    from evscli.store.run import read_run

    with StoreWriter(folder, read_run(folder)) as writer:
        return len(writer.finished)


def by_headers(folder: Path) -> int:
    """Open every shard with safetensors, and map its ids."""
    from safetensors import safe_open

    found: dict[str, str] = {}
    for path in folder.glob("shard-*.safetensors"):
        with safe_open(path, framework="np") as shard:
            found |= dict.fromkeys(json.loads(shard.metadata()["evs"])["videos"], path.name)
    return len(found)


def by_lines(folder: Path) -> int:
    """Read the manifest lines."""
    from evscli.store.manifest import read_manifest
    from evscli.store.schema import MANIFEST, list_lines

    return sum(1 for path in list_lines(folder, MANIFEST) for _ in read_manifest(path))


def by_json(folder: Path) -> int:
    """Read them with the json module."""
    from evscli.store.durable import read_lines
    from evscli.store.schema import MANIFEST, list_lines

    lines = (line for path in list_lines(folder, MANIFEST) for line in read_lines(path))
    return sum(1 for _ in map(json.loads, lines))


WAYS = {
    "open_store": by_open_store,
    "StoreWriter": by_writer,
    "headers": by_headers,
    "lines": by_lines,
    "json": by_json,
}


def run(way: str, folder: str) -> None:
    """Run one way here and print videos, seconds and MiB."""
    import safetensors  # noqa: F401

    import evscli.store.reader
    import evscli.store.writer  # noqa: F401

    # The peak so far is that of importing, and is reset.
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_kib()
    start = time.perf_counter()
    videos = WAYS[way](Path(folder))
    seconds = time.perf_counter() - start
    print(json.dumps([videos, seconds, (peak_kib() - before) / 1024]))


def peak_kib() -> int:
    """Return the most memory that this process has had at a time, in KiB."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+)", status)[0])


def rows(folder: Path, repeats: int) -> Iterator[tuple[str, str, float, float]]:
    """Yield the name of each way, a line of the table, seconds and MiB."""
    for way, function in WAYS.items():
        code = "import sys; from benchmarks.open_store import run; run(*sys.argv[1:])"
        for _ in range(repeats):
            answer = interpreter.printed(code, way, str(folder))
        videos, seconds, grown = json.loads(answer)
        what = (function.__doc__ or "").rstrip(".")
        line = f"| {way} | {what} | {videos:,} | {seconds:.2f} s | {grown:.0f} MiB |"
        yield way, line, seconds, grown


def measure(*, videos: int = 200_000, repeats: int = 2) -> Report:
    """Measure a store of `videos` videos: the last of `repeats` runs, with files in memory."""
    with tempfile.TemporaryDirectory(prefix="evs-open-") as temporary:
        folder = Path(temporary) / "store"
        make_store(folder, videos)
        shards = len(list(folder.glob("shard-*")))
        ways = list(rows(folder, repeats))
    table = "\n".join(line for _, line, _, _ in ways)
    return Report(
        title="Opening a store of many videos",
        body=(
            f"{videos:,} videos in {shards:,} shards by {WRITERS} writers, files cached.\n\n"
            f"| way | what it does | videos | time | memory |\n|---|---|---:|---:|---:|\n{table}"
        ),
        figures={
            **{way: seconds for way, _, seconds, _ in ways},
            **{f"{way}, MiB": grown for way, _, _, grown in ways},
        },
    )


BENCHMARK = Benchmark(
    measure=measure,
    smoke={"videos": 400, "repeats": 1},
    code=("store/reader.py", "store/catalogue.py", "store/manifest.py", "store/codec.py"),
    minutes=2,
)
