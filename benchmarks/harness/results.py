"""Results of benchmarks: a page to read, and beside it the data for tests and other pages."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path

from benchmarks.harness.benchmark import Report

FOLDER = Path(__file__).parents[1] / "results"
UNMEASURED = {"gpu"}
"""The benchmarks that have no results yet, since nobody has had what they need."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """The record of a measurement beside its page."""

    command: str
    date: str
    processor: str
    cores: int
    threads: int
    """The number of threads of torch."""
    versions: Mapping[str, str]
    code: Mapping[str, str]
    """The digests of the measured files, by path."""
    kept: str = ""
    """The reason why the figures stand although the code has changed. It is empty where not."""
    figures: Mapping[str, float]
    spread: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The least and the greatest value behind figures that are medians."""
    device: str = ""
    """The name of the GPU that was measured, if it was one."""


def describe(command: str, code: Mapping[str, str], report: Report) -> Result:
    """Make the result of a measurement on this machine, with today's date."""
    import av
    import torch
    import transformers

    from evscli.provenance import processor_name

    return Result(
        command=command,
        date=date.today().isoformat(),
        processor=re.sub(r"\((R|TM)\)| Processor| CPU", "", processor_name()),
        cores=len(os.sched_getaffinity(0)),
        threads=torch.get_num_threads(),
        versions={
            "Python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "PyAV": av.__version__,
        },
        code=code,
        figures={name: rounded(value) for name, value in report.figures.items()},
        spread={name: (rounded(a), rounded(b)) for name, (a, b) in report.spread.items()},
        device=report.device,
    )


def rounded(value: float) -> float:
    """Return a figure with the digits that a measurement has at most."""
    return float(f"{value:.5g}")


def page(result: Result, report: Report) -> str:
    """Return the page as Markdown."""
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    cores = f"{result.cores} cores of {result.processor}"
    machine = f"{result.device} and {cores}" if result.device else cores
    return (
        f"# {report.title}\n\n"
        f"`{result.command}`, {result.date}, on {machine}, "
        f"{result.threads} torch threads; {versions}.\n\n"
        f"{report.body.strip()}\n"
    )


def publish(name: str, result: Result, report: Report) -> None:
    """Write the page and the record."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.md").write_text(page(result, report))
    _save(name, result)


def keep(name: str, because: str, code: Mapping[str, str]) -> None:
    """Record in page and record that the figures stand for the code as it is now."""
    result = read(name)
    _save(name, replace(result, kept=because, code=code))
    path = FOLDER / f"{name}.md"
    line = f"Kept on {date.today().isoformat()}, when the code had changed: {because}\n"
    path.write_text(f"{path.read_text()}\n{line}")


def read(name: str) -> Result:
    """Read the record beside a page. Raises FileNotFoundError."""
    return Result(**json.loads((FOLDER / f"{name}.json").read_text()))


def _save(name: str, result: Result) -> None:
    text = json.dumps(asdict(result), indent=1, ensure_ascii=False)
    (FOLDER / f"{name}.json").write_text(text + "\n")
