"""Finds the benchmarks: every module of `benchmarks/` is one. Imports none before it is needed."""

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
    """All of them, in the order of the alphabet."""
    return sorted(path.stem for path in FOLDER.glob("[!_]*.py"))


def summary(name: str) -> str:
    """The first line of its docstring."""
    documented = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text())) or ""
    return documented.partition("\n")[0]


def load(name: str) -> Benchmark:
    """Import it."""
    benchmark: Benchmark = importlib.import_module(f"benchmarks.{name}").BENCHMARK
    return benchmark


def defaults(benchmark: Benchmark) -> dict[str, Any]:
    """The options of the published figures."""
    parameters = inspect.signature(benchmark.measure).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters}


def command(name: str, options: Mapping[str, Any]) -> str:
    """What is typed to measure it with these options."""
    words = [f"--{option.replace('_', '-')} {shown(value)}" for option, value in options.items()]
    return " ".join(["python -m benchmarks", name, *words])


def shown(value: object) -> str:
    """A value as it is typed."""
    return f"{value:g}" if isinstance(value, float) else str(value)
