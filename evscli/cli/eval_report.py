"""What `evs eval` prints and writes: tables, a plot, and everything as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from evscli.cli.checks import NOTHING_DONE, SOME_FAILED
from evscli.cli.notes import note, say_failure
from evscli.cli.units import count_text
from evscli.evaluation.report.document import as_json as document_of
from evscli.evaluation.report.plot import plot_accuracy
from evscli.evaluation.report.table import (
    WIDE,
    baselines_table,
    correlations_table,
    kinds_table,
    lines,
    overall_table,
)
from evscli.evaluation.statistics.correlation import Numbers
from evscli.evaluation.statistics.findings import Findings
from evscli.evaluation.statistics.results import Evaluation, Selection, Tally
from evscli.store.durable import make_folder, replace_file
from evscli.tables import as_markdown

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
    diagnostics: Mapping[Selection, Mapping[str, Numbers]] = field(default_factory=dict)


def report(result: Result, folder: Path, *, as_json: bool) -> int:
    """Write and print the results; the exit code. Without any answer nothing is written."""
    evaluation = result.evaluation
    for failure in evaluation.failures:
        say_failure(failure)
    if not evaluation.answered:
        if not evaluation.failures:
            print("error: no video gives rise to a question; raise --videos", file=sys.stderr)
        return NOTHING_DONE
    findings = Findings.of(evaluation, baselines=result.baselines, diagnostics=result.diagnostics)
    values = document_of(findings, evaluation.failures, setup=result.setup)
    document = json.dumps(values, indent=2)
    write(folder, findings, document=document, model=result.setup["model"])
    for text in findings.notes:
        note(text)
    if as_json:
        print(document)
    else:
        show(findings)
        note(f"accuracy.json, accuracy.md, accuracy.png and accuracy.svg are in {folder}")
    return SOME_FAILED if evaluation.failures else 0


def title_of(model: str, total: Tally) -> str:
    """What stands above the plot."""
    asked = f"{count_text(total.asked, 'question')} about {count_text(total.videos, 'video')}"
    return f"{model}: accuracy against tokens kept, {asked}"


def write(folder: Path, findings: Findings, *, document: str, model: str) -> None:
    """The files, in place of older ones."""
    title = title_of(model, findings.tallies[0])
    make_folder(folder)
    replace_file(folder / "accuracy.json", f"{document}\n".encode())
    replace_file(folder / "accuracy.md", markdown_of(title, findings).encode())
    for form in ("png", "svg"):
        plot = plot_accuracy(findings.tallies, title=title, form=form)
        replace_file(folder / f"accuracy.{form}", plot)


def show(findings: Findings) -> None:
    """Tables on a terminal, tab-separated lines when piped."""
    console = Console(highlight=False)
    if not console.is_terminal:
        print(*lines([*findings.tallies, *findings.baselines]), sep="\n")
        return
    for table in tables_of(findings, width=console.width).values():
        console.print(table)


def tables_of(findings: Findings, *, width: int) -> dict[str, Table]:
    """The tables that there is something for, by what they show."""
    tallies, baselines, found = findings.tallies, findings.baselines, findings.correlations
    tables = {
        "All questions": overall_table(tallies, width=width),
        "Right answers by kind of question": kinds_table(tallies),
        "Less than the video": baselines_table(baselines) if baselines else None,
        "Spearman's rho of diagnostics with accuracy": correlations_table(found) if found else None,
    }
    return {title: table for title, table in tables.items() if table is not None}


def markdown_of(title: str, findings: Findings) -> str:
    """The tables as a page."""
    tables = tables_of(findings, width=WIDE)
    parts = [f"## {name}\n\n{as_markdown(table)}" for name, table in tables.items()]
    notes = [f"- {text}\n" for text in findings.notes]
    return "\n".join([f"# {title}\n", *parts, MARKDOWN_NOTE, *notes])
