"""What `evs eval` prints and writes: tables, a plot, and everything as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from evscli.cli.ask import note
from evscli.cli.prune import NOTHING_DONE, SOME_FAILED
from evscli.cli.units import count_text
from evscli.learn.evaluation.correlation import Correlation, Numbers, correlations
from evscli.learn.evaluation.document import as_json as document_of
from evscli.learn.evaluation.plot import plot_accuracy
from evscli.learn.evaluation.results import Evaluation, Selection, Tally, tally
from evscli.learn.evaluation.table import (
    WIDE,
    as_markdown,
    baselines_table,
    correlations_table,
    kinds_table,
    lines,
    overall_table,
)
from evscli.store.durable import make_folder, replace_file

MARKDOWN_NOTE = (
    "Intervals are 95 % with videos as clusters; a star marks a difference, in percentage points, "
    "whose interval excludes 0.\n"
)


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
    title = title_of(result.setup["model"], tallies[0])
    page = markdown_of(title, tables_of(tallies, baselines, found, width=WIDE))
    texts = {"accuracy.json": f"{document}\n", "accuracy.md": page}
    write(folder, tallies, title=title, texts=texts)
    if as_json:
        print(document)
    else:
        show(tallies, baselines, found)
        note(f"accuracy.json, accuracy.md, accuracy.png and accuracy.svg are in {folder}")
    return SOME_FAILED if evaluation.failures else 0


def title_of(model: str, total: Tally) -> str:
    """What stands above the plot."""
    asked = f"{count_text(total.asked, 'question')} about {count_text(total.videos, 'video')}"
    return f"{model}: accuracy against tokens kept, {asked}"


def write(folder: Path, tallies: Sequence[Tally], *, title: str, texts: Mapping[str, str]) -> None:
    """The files, in place of older ones."""
    make_folder(folder)
    for name, text in texts.items():
        replace_file(folder / name, text.encode())
    replace_file(folder / "accuracy.png", plot_accuracy(tallies, title=title, form="png"))
    replace_file(folder / "accuracy.svg", plot_accuracy(tallies, title=title, form="svg"))


def show(
    tallies: Sequence[Tally], baselines: Sequence[Tally], found: Sequence[Correlation]
) -> None:
    """Tables on a terminal, tab-separated lines when piped."""
    console = Console(highlight=False)
    if not console.is_terminal:
        print(*lines([*tallies, *baselines]), sep="\n")
        return
    for table in tables_of(tallies, baselines, found, width=console.width).values():
        console.print(table)


def tables_of(
    tallies: Sequence[Tally],
    baselines: Sequence[Tally],
    found: Sequence[Correlation],
    *,
    width: int,
) -> dict[str, Table]:
    """The tables that there is something for, by what they show."""
    tables = {
        "All questions": overall_table(tallies, width=width),
        "Right answers by kind of question": kinds_table(tallies),
        "What is answered of less than the video": baselines_table(baselines)
        if baselines
        else None,
        "Spearman's rho of diagnostics with accuracy": correlations_table(found) if found else None,
    }
    return {title: table for title, table in tables.items() if table is not None}


def markdown_of(title: str, tables: Mapping[str, Table]) -> str:
    """The tables as a page."""
    parts = [f"## {name}\n\n{as_markdown(table)}" for name, table in tables.items()]
    return "\n".join([f"# {title}\n", *parts, MARKDOWN_NOTE])
