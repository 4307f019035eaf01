"""Time and memory to find a million videos: in a folder, by a glob, by lists, in a tar.

Every input is found in a process of its own. Memory is the growth of this process to its peak after
its imports. The files are empty: no video is opened to find it.
"""

from __future__ import annotations

import json
import tarfile
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness import Benchmark, Report, interpreter

IN_FOLDER = 1000
FIND = """
import json, sys, time
from pathlib import Path
from evscli.corpus.inputs import find_videos

def peak():  # ru_maxrss would be that of the process which started this one
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])

before, start = peak(), time.perf_counter()
videos = find_videos(sys.argv[1:])
seconds = time.perf_counter() - start
print(json.dumps([len(videos), seconds, (peak() - before) / 1024]))
"""


KINDS = {
    "folder": ("a folder", "."),
    "glob": ("a glob, `**/*.mp4`", "**/*.mp4"),
    "list": ("`list.txt`", "list.txt"),
    "csv": ("`rows.csv` with start and end", "rows.csv"),
    "parquet": ("`rows.parquet` with start", "rows.parquet"),
    "tar": ("`clips.tar`", "clips.tar"),
}
"""The name of each kind of input, and the argument that is given for it."""


def make_inputs(folder: Path, files: int) -> None:
    """Make the files, and the lists and the tar that name them."""
    folders = [f"day-{number // 10:02d}/camera-{number:04d}" for number in range(files)]
    names = [f"{folders[number // IN_FOLDER]}/clip-{number:07d}.mp4" for number in range(files)]
    for name in names:
        path = folder / name
        if not path.parent.exists():
            path.parent.mkdir(parents=True)
        path.touch()
    (folder / "list.txt").write_text("\n".join(names))
    rows = "".join(f"{name},{number},{number + 10}.5\n" for number, name in enumerate(names))
    (folder / "rows.csv").write_text("path,start,end\n" + rows)
    table = {"path": names, "start": [float(number) for number in range(files)]}
    pq.write_table(pa.table(table), folder / "rows.parquet", row_group_size=100_000)
    with tarfile.open(folder / "clips.tar", "w") as tar:
        for number in range(files):
            tar.addfile(tarfile.TarInfo(f"clip-{number:07d}.mp4"))


def find(given: str) -> tuple[int, float, float]:
    """Return videos, seconds and MiB of one input, in a process that imports nothing else."""
    videos, seconds, grown = json.loads(interpreter.printed(FIND, given))
    return videos, seconds, grown


def measure(*, files: int = 1_000_000, kinds: str = ",".join(KINDS)) -> Report:
    """Measure `files` files, found as each of `kinds`."""
    with tempfile.TemporaryDirectory() as folder:
        make_inputs(Path(folder), files)
        found = {kind: find(f"{folder}/{KINDS[kind][1]}") for kind in kinds.split(",")}
    rows = "\n".join(
        f"| {KINDS[kind][0]} | {videos:,} | {seconds:.1f} s | {grown:,.0f} MiB |"
        for kind, (videos, seconds, grown) in found.items()
    )
    return Report(
        title="Finding videos",
        body=(
            f"{IN_FOLDER:,} files in a folder, on a local disk that has just been written.\n\n"
            f"| input | videos | time | memory |\n|---|---:|---:|---:|\n{rows}"
        ),
        figures={kind: seconds for kind, (_, seconds, _) in found.items()},
    )


BENCHMARK = Benchmark(
    measure=measure,
    smoke={"files": 2000, "kinds": "folder,list,tar"},
    code=("corpus/inputs/find.py",),
    minutes=4,
)
