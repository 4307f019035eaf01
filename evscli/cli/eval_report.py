"""What `evs eval` prints and writes: a table, a plot, and everything as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from evscli.cli.ask import note
from evscli.cli.prune import NOTHING_DONE, SOME_FAILED
from evscli.cli.units import count_text
from evscli.learn.evaluation.correlation import Correlation, Numbers, correlations
from evscli.learn.evaluation.document import as_json as document_of
from evscli.learn.evaluation.plot import plot_accuracy
from evscli.learn.evaluation.results import Evaluation, Selection, Tally, tally
from evscli.learn.evaluation.table import (
    baselines_table,
    correlations_table,
    kinds_table,
    lines,
    overall_table,
)
from evscli.store.durable import make_folder, replace_file


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """What an evaluation found, and with what."""

    evaluation: Evaluation
    setup: Mapping[str, Any]
    baselines: Evaluation | None = None
    diagnostics: Mapping[Selection, Sequence[Numbers]] = field(default_factory=dict)


def report(result: Result, folder: Path, *, as_json: bool) -> int:
    """Write and print the results; the exit code. Without any answer nothing is written."""
    evaluation = result.evaluation
    for failure in evaluation.failures:
        print(f"error: {failure.message}", file=sys.stderr)
    if not evaluation.answered:
        return NOTHING_DONE
    tallies = tally(evaluation.answered)
    baselines = tally(result.baselines.answered) if result.baselines is not None else []
    found = correlations(tallies, result.diagnostics)
    values = document_of(
        tallies,
        evaluation.failures,
        setup=result.setup,
        baselines=baselines,
        correlations=found,
    )
    document = json.dumps(values, indent=2)
    write(folder, document, tallies, title_of(result.setup["model"], tallies[0]))
    if as_json:
        print(document)
    else:
        show(tallies, baselines, found)
        note(f"accuracy.json, accuracy.png and accuracy.svg are in {folder}")
    return SOME_FAILED if evaluation.failures else 0


def title_of(model: str, total: Tally) -> str:
    """What stands above the plot."""
    asked = f"{count_text(total.asked, 'question')} about {count_text(total.videos, 'video')}"
    return f"{model}: accuracy against tokens kept, {asked}"


def write(folder: Path, document: str, tallies: Sequence[Tally], title: str) -> None:
    """The three files, in place of older ones."""
    make_folder(folder)
    replace_file(folder / "accuracy.png", plot_accuracy(tallies, title=title, form="png"))
    replace_file(folder / "accuracy.svg", plot_accuracy(tallies, title=title, form="svg"))
    replace_file(folder / "accuracy.json", f"{document}\n".encode())


def show(
    tallies: Sequence[Tally], baselines: Sequence[Tally], found: Sequence[Correlation]
) -> None:
    """Tables on a terminal, tab-separated lines when piped."""
    console = Console(highlight=False)
    if not console.is_terminal:
        print(*lines([*tallies, *baselines]), sep="\n")
        return
    console.print(overall_table(tallies, width=console.width))
    tables = [kinds_table(tallies)]
    if baselines:
        tables.append(baselines_table(baselines))
    if found:
        tables.append(correlations_table(found))
    for table in filter(None, tables):
        console.print(table)
