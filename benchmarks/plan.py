"""The time that `evs plan` estimates against the time that `evs prune` then takes.

    python -m benchmarks.plan [--rounds 3]

Both are run as commands, in turns: on the sample videos, and on 40 generated clips of three sizes
and three lengths. The work is what comes after loading the model.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "plan.md"
SAMPLES = Path(__file__).parents[1] / "sample_videos"
CLIPS = 40
SIZES = ((180, 320), (360, 640), (720, 1280))
LENGTHS = (48, 120, 240)
CHOSEN = ("--method", "vcast", "--budget", "0.3", "--model", "mini")


@dataclass(frozen=True, kw_only=True)
class Round:
    """One estimate, and one run."""

    whole: float
    work: float
    bottleneck: str
    bytes: int
    real_whole: float
    real_work: float
    real_bytes: int


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plan")
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    from benchmarks.machine import describe_machine

    with tempfile.TemporaryDirectory() as temporary:
        clips = write_clips(Path(temporary) / "clips")
        corpora = {"5 sample videos": SAMPLES, f"{CLIPS} clips": clips}
        rows = [row(name, measure(folder, rounds)) for name, folder in corpora.items()]
    lines = [
        "# What `evs plan` says against what `evs prune` does",
        "",
        f"{describe_machine()}. `python -m benchmarks.plan --rounds {rounds}`: mini, V-CAST at "
        f"0.3; medians of {rounds} rounds in turns. The work is what comes after the model is "
        "loaded, the whole is the command; bytes are of shards and manifests.",
        "",
        "| corpus | work, said | work, real | said / real | whole, said | whole, real "
        "| said / real | bottleneck | bytes, said / real |",
        "|---|---:|---:|---:|---:|---:|---:|---|---:|",
        *rows,
    ]
    RESULTS.write_text("\n".join(lines) + "\n")
    print(RESULTS.read_text())


def write_clips(folder: Path) -> Path:
    """40 clips, each another picture."""
    from tests.videos import write_video

    folder.mkdir()
    for number in range(CLIPS):
        size, length = SIZES[number % 3], LENGTHS[number // 3 % 3]
        write_video(folder / f"{number:02}.mp4", frames=length, size=size, seed=number, gop=48)
    return folder


def measure(folder: Path, rounds: int) -> list[Round]:
    """Estimates and runs in turns."""
    return [one_round(folder) for _ in range(rounds)]


def one_round(folder: Path) -> Round:
    """An estimate, then the run that it is of."""
    with tempfile.TemporaryDirectory() as temporary:
        store = Path(temporary) / "store"
        said = json.loads(evs("plan", str(folder), *CHOSEN, "--json"))
        began = time.perf_counter()
        events = evs("prune", str(folder), *CHOSEN, "--json", "-o", str(store))
        taken = time.perf_counter() - began
        written = [*store.glob("shard-*"), *store.glob("manifest-*")]
        size = sum(path.stat().st_size for path in written)
    (progress,) = (
        event for event in map(json.loads, events.splitlines()[-2:]) if event["event"] == "progress"
    )
    return Round(
        whole=said["time"]["seconds"],
        work=said["time"]["seconds"] - said["time"]["load"],
        bottleneck=said["time"]["bottleneck"],
        bytes=said["stores"][0]["bytes"],
        real_whole=taken,
        real_work=progress["elapsed"],
        real_bytes=size,
    )


def evs(*arguments: str) -> str:
    """What a command prints."""
    code = "from evscli.cli import main; main()"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def row(name: str, rounds: list[Round]) -> str:
    """Medians as a row of the table."""

    def median(field: str) -> float:
        return statistics.median(getattr(each, field) for each in rounds)

    pairs = [("work", "real_work"), ("whole", "real_whole")]
    cells = [
        f"{median(said):.2f} s | {median(real):.2f} s | {median(said) / median(real):.2f}"
        for said, real in pairs
    ]
    bottleneck = statistics.mode(each.bottleneck for each in rounds)
    share = median("bytes") / median("real_bytes")
    return f"| {name} | {' | '.join(cells)} | {bottleneck} | {share:.4f} |"


if __name__ == "__main__":
    main()
