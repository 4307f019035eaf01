"""Steps that run commands as a person does: tests, and `evs prune` with faults and workers."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gpu.steps import Outcome, Setting
from benchmarks.harness import interpreter
from evscli.store import open_store, verify

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "sample_videos"
CLIP = SAMPLES / "hard-cuts.mp4"
BROKEN = "import benchmarks.gpu.faults as f; f.install(); from evscli.cli import main; main()"


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    code: int
    seconds: float
    said: str


def evs(folder: Path, *arguments: object, code: str = interpreter.EVS) -> Ran:
    """Run `evs` with some arguments."""
    start, log = time.perf_counter(), folder / "evs.log"
    with log.open("w") as out:
        words = map(str, arguments)
        ended = interpreter.start(code, *words, out=out, err=out, folder=folder).wait()
    return Ran(ended, time.perf_counter() - start, log.read_text(errors="replace").strip())


def tests(setting: Setting, folder: Path) -> Outcome:
    """Run the tests that are marked `gpu`."""
    marked = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if "pytest.mark.gpu" in path.read_text()
    ]
    files = setting.of(marked, ["tests/test_device_errors.py"])
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-n", setting.of("4", "0"), *files]
    log = folder / "tests.log"
    with log.open("w") as out:
        done = subprocess.run(command, cwd=ROOT, stdout=out, stderr=out, check=False)
    lines = log.read_text(errors="replace").strip().splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return Outcome(
        text="\n".join([f"`{lines[-1].strip('= ')}`", *(f"- {line}" for line in failed)]),
        problems=[] if done.returncode == 0 else [f"pytest ended with {done.returncode}"],
    )


def repeat(setting: Setting, folder: Path) -> Outcome:
    """Do the same run twice, and compare the stores byte for byte."""
    inputs = setting.of(SAMPLES, CLIP)
    options = ["--method", "vcast", "--method", "evs", "--budget", "0.3", "--model", "mini"]
    for name in ("one", "two"):
        ran = evs(folder, "prune", inputs, *options, "--device", setting.device, "-o", name)
        if ran.code:
            return Outcome(problems=[f"evs prune ended with {ran.code}: {last(ran)}"])
    shards = [path.relative_to(folder / "one") for path in (folder / "one").rglob("*.safetensors")]
    same = (folder / "one", folder / "two")
    differ = [str(shard) for shard in shards if not equal(*(store / shard for store in same))]
    size = sum((folder / "one" / shard).stat().st_size for shard in shards)
    return Outcome(
        text=f"{len(shards)} shards with {size:,} bytes; {len(differ)} of them differ.",
        figures={"shards": len(shards), "differ": len(differ)},
        problems=[f"{shard} differs" for shard in differ] or ([] if shards else ["no shards"]),
    )


def equal(one: Path, other: Path) -> bool:
    """Return whether two files hold the same bytes."""
    return other.is_file() and one.read_bytes() == other.read_bytes()


def last(ran: Ran) -> str:
    """Return the last line that a command printed."""
    return ran.said.splitlines()[-1] if ran.said else ""


def faults(setting: Setting, folder: Path) -> Outcome:
    """Have the first of three videos lack memory, then break the device; the others must be done.

    Without memory one run does the other two. A device that fails ends a run in one process, and
    the next run goes on behind the video.
    """
    problems, lines = [], []
    for fault, codes in (("memory", [3]), ("broken", [1, 3])):
        place = folder / fault
        (place / "in").mkdir(parents=True)
        for name in (f"0-{fault}", "1", "2"):
            shutil.copy(CLIP, place / "in" / f"{name}.mp4")
        arguments = ["prune", "in", "--method", "vcast", "--budget", "0.3", "--model", "mini"]
        arguments += ["-o", "store", "--device", setting.device]
        runs = [evs(place, *arguments, code=BROKEN) for _ in codes]
        problems += unlike(fault, place / "store", runs, codes)
        ends = ", ".join(str(ran.code) for ran in runs)
        message = next((line for line in runs[0].said.splitlines() if fault in line), "")
        lines.append(f"- {fault}: exit codes {ends}. `{message.strip()}`")
    return Outcome(text="\n".join(lines), problems=problems)


def unlike(fault: str, folder: Path, runs: list[Ran], codes: list[int]) -> list[str]:
    """Return what is not as it should be after runs with a fault in the first video."""
    if [ran.code for ran in runs] != codes:
        return [f"{fault}: exit codes {[ran.code for ran in runs]} in place of {codes}"]
    store = open_store(folder)
    if sorted(store) != ["1", "2"] or list(store.failures) != [f"0-{fault}"]:
        return [f"{fault}: {sorted(store)} are done and {list(store.failures)} failed"]
    return [f"{fault}: {each}" for each in verify(store)]


def workers(setting: Setting, folder: Path) -> Outcome:
    """Prune copies of the samples with 1, 2 and 4 workers on one device."""
    inputs = folder / "in"
    inputs.mkdir()
    videos = [path for path in SAMPLES.iterdir() if path.suffix in (".mp4", ".mkv")]
    for number in range(setting.of(16, 1)):
        for path in setting.of(videos, [CLIP]):
            shutil.copy(path, inputs / f"{number}-{path.name}")
    figures, problems = {}, []
    for count in setting.of((1, 2, 4), (1, 2)):
        options = ["--method", "vcast", "--budget", "0.3", "--model", "mini", "-o", f"{count}"]
        options += ["--workers", str(count), "--device", setting.device]
        ran = evs(folder, "prune", inputs, *options)
        figures[f"{count} workers"] = ran.seconds
        if ran.code:
            problems.append(f"{count} workers: exit code {ran.code}: {last(ran)}")
    rows = "\n".join(f"| {name} | {taken:.1f} |" for name, taken in figures.items())
    number = len([*inputs.iterdir()])
    text = f"{number} videos, mini, one run each, start included.\n\n| workers | seconds |\n"
    return Outcome(text=f"{text}|---|---:|\n{rows}", figures=figures, problems=problems)
