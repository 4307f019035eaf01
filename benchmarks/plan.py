"""The time that `evs plan` estimates against the time that `evs prune` then takes.

Both are run as commands, in turns: on the sample videos, and on 40 generated clips of three sizes
and three lengths. The work is the time after the model is loaded.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import Benchmark, Report, interpreter
from evscli.corpus.inputs import find_videos

SAMPLES = Path(__file__).parents[1] / "sample_videos"
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


def write_clips(folder: Path, clips: int) -> list[Path]:
    """Write a folder of `clips` clips, each another picture."""
    from tests.videos import write_video

    folder.mkdir()
    for number in range(clips):
        size, length = SIZES[number % 3], LENGTHS[number // 3 % 3]
        write_video(folder / f"{number:02}.mp4", frames=length, size=size, seed=number, gop=48)
    return [folder]


def one_round(inputs: list[Path]) -> Round:
    """Make an estimate, then the run that it is of."""
    chosen = [*map(str, inputs), *CHOSEN, "--json"]
    with tempfile.TemporaryDirectory() as temporary:
        store = Path(temporary) / "store"
        said = json.loads(evs("plan", *chosen))
        began = time.perf_counter()
        events = evs("prune", *chosen, "-o", str(store))
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
    """Return the output of a command."""
    return interpreter.printed(interpreter.EVS, *arguments)


def median(rounds: list[Round], field: str) -> float:
    """Return the median of one number of all rounds."""
    return float(statistics.median(getattr(each, field) for each in rounds))


def row(name: str, rounds: list[Round]) -> str:
    """Return medians as a row of the table."""
    cells = []
    for field in ("work", "whole"):
        said, real = median(rounds, field), median(rounds, f"real_{field}")
        cells.append(f"{said:.2f} s | {real:.2f} s | {said / real:.2f}")
    bottleneck = statistics.mode(each.bottleneck for each in rounds)
    share = median(rounds, "bytes") / median(rounds, "real_bytes")
    return f"| {name} | {' | '.join(cells)} | {bottleneck} | {share:.4f} |"


def measure(*, rounds: int = 2, samples: int = 5, clips: int = 40) -> Report:
    """Measure `samples` of the sample videos, and `clips` clips."""
    with tempfile.TemporaryDirectory() as temporary:
        found = find_videos([str(SAMPLES)])[:samples]
        corpora = {"samples": [video.path for video in found]}
        if clips:
            corpora["clips"] = write_clips(Path(temporary) / "clips", clips)
        measured = {
            name: [one_round(inputs) for _ in range(rounds)] for name, inputs in corpora.items()
        }
    names = {"samples": f"{samples} sample videos", "clips": f"{clips} clips"}
    rows = "\n".join(row(names[name], all_rounds) for name, all_rounds in measured.items())
    figures: dict[str, float] = {}
    for name, all_rounds in measured.items():
        said, real = median(all_rounds, "work"), median(all_rounds, "real_work")
        figures |= {f"{name} said": said, f"{name} real": real, f"{name} said / real": said / real}
    return Report(
        title="What `evs plan` says against what `evs prune` does",
        body=(
            f"mini, V-CAST at 0.3; medians of {rounds} rounds in turns. The work is what comes "
            "after the model is loaded, the whole is the command; bytes are of shards and "
            "manifests.\n\n"
            "| corpus | work, said | work, real | said / real | whole, said | whole, real "
            "| said / real | bottleneck | bytes, said / real |\n"
            f"|---|---:|---:|---:|---:|---:|---:|---|---:|\n{rows}"
        ),
        figures=figures,
    )


BENCHMARK = Benchmark(
    measure=measure,
    smoke={"rounds": 1, "samples": 1, "clips": 0},
    smoke_is_partial=True,
    code=("corpus/estimate/calibrate.py", "corpus/estimate/duration.py"),
    minutes=2,
)
