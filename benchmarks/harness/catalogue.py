"""The catalogue of benchmarks: every module of `benchmarks/`, imported only when needed.

A benchmark may be a package too; that of the harness is not one.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.harness.benchmark import Benchmark

FOLDER = Path(__file__).parents[1]


def names() -> list[str]:
    """Return the names of all benchmarks in alphabetical order."""
    modules = {path.stem for path in FOLDER.glob("[!_]*.py")}
    packages = {path.parent.name for path in FOLDER.glob("*/__init__.py")}
    return sorted(modules | packages - {Path(__file__).parent.name})


def files(name: str) -> list[Path]:
    """Return the files of a benchmark, the one that describes it first."""
    package = FOLDER / name
    return sorted(package.glob("*.py")) if package.is_dir() else [FOLDER / f"{name}.py"]


def summary(name: str) -> str:
    """Return the first line of a benchmark's docstring."""
    documented = ast.get_docstring(ast.parse(files(name)[0].read_text())) or ""
    return documented.partition("\n")[0]


def load(name: str) -> Benchmark:
    """Import a benchmark."""
    benchmark: Benchmark = importlib.import_module(f"benchmarks.{name}").BENCHMARK
    return benchmark


def defaults(benchmark: Benchmark) -> dict[str, Any]:
    """Return the options of the published figures."""
    parameters = inspect.signature(benchmark.measure).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters}


def command(name: str, options: Mapping[str, Any]) -> str:
    """Return the command that measures it with these options."""
    given = {option: value for option, value in options.items() if value != ""}
    words = [f"--{option.replace('_', '-')} {shown(value)}" for option, value in given.items()]
    return " ".join(["python -m benchmarks", name, *words])


def shown(value: object) -> str:
    """Return a value in the form in which it is typed."""
    return f"{value:g}" if isinstance(value, float) else str(value)
