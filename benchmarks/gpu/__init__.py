"""All that only a GPU shows, in one command: what holds there, and how fast it is.

Every step runs in a process of its own, since an error can leave a process without its device. One
that fails, or takes longer than it may, is reported, and the rest go on; those for which no time is
left are named. With `--device cpu` all of them run at toy sizes, which shows that they run.
`--only` names steps, separated by commas.
"""

from __future__ import annotations

from typing import Any

from benchmarks.gpu.needs import check_packages
from benchmarks.gpu.steps import NAMES, Setting, run_steps
from benchmarks.harness import Benchmark, Report, SkippedError, check_device


def measure(*, device: str = "cuda", seconds: int = 480, only: str = "") -> Report:
    """Run the steps on a device, within about some seconds in all."""
    check_packages()
    check_device(device)
    names = chosen(only)
    results = run_steps(names, Setting(device=device), seconds=seconds)
    failed = [name for name, result in results.items() if result.state == "failed"]
    skipped = [name for name, result in results.items() if result.state == "skipped"]
    table = "\n".join(
        f"| {name} | {result.state} | {result.seconds:.0f} | {result.summary} |"
        for name, result in results.items()
    )
    sections = [f"## {name}\n\n{one.text}" for name, one in results.items() if one.text]
    figures = {
        f"{name}: {key}": value
        for name, result in results.items()
        for key, value in result.figures.items()
    }
    return Report(
        title="On a GPU",
        body=f"{hardware(device)}\n\n| step | result | seconds | |\n|---|---|---:|---|\n{table}\n\n"
        + "\n\n".join(sections),
        figures={**figures, "failed": len(failed), "skipped": len(skipped)},
        device=name_of(device),
    )


def chosen(only: str) -> list[str]:
    """Return the steps that are asked for. Raises SkippedError for one that there is not."""
    asked = [name.strip() for name in only.split(",") if name.strip()]
    for name in asked:
        if name not in NAMES:
            raise SkippedError(f"{name} is not a step; there are {', '.join(NAMES)}")
    return asked or list(NAMES)


def name_of(device: str) -> str:
    """Return the name of a GPU, or "" for the CPU."""
    import torch

    return "" if device == "cpu" else torch.cuda.get_device_name(device)


def hardware(device: str) -> str:
    """Return a line about the device."""
    import torch

    if device == "cpu":
        return "On a CPU, at toy sizes: no figure here says anything about a GPU."
    facts: Any = torch.cuda.get_device_properties(device)
    return (
        f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB, compute capability "
        f"{facts.major}.{facts.minor}, {facts.multi_processor_count} multiprocessors, CUDA "
        f"{torch.version.cuda}."
    )


BENCHMARK = Benchmark(
    measure=measure,
    smoke={
        "device": "cpu",
        "only": "repeat,methods,faults,encode,profile,packing,selection,places",
    },
    smoke_is_partial=True,
    code=(
        "device_errors.py",
        "encoders/arithmetic.py",
        "encoders/early.py",
        "encoders/encoder.py",
        "encoders/together.py",
        "encoders/transfers.py",
        "models/parts/attention.py",
        "models/parts/packing.py",
        "pipeline/passes.py",
    ),
    minutes=8,
)
