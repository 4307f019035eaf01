"""The output of `evs compare` and `evs eval`: printed tables, and files."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from evscli.cli.checks import NOTHING_DONE, SOME_FAILED
from evscli.cli.notes import note, say_failure
from evscli.evaluation.compare.comparison import Comparison
from evscli.evaluation.report import accuracy, comparison
from evscli.evaluation.report.document import Document
from evscli.evaluation.report.plots import PLOT_FORMS
from evscli.evaluation.statistics.findings import Findings
from evscli.evaluation.statistics.results import Evaluation


def report_comparison(found: Comparison, folder: Path, *, as_json: bool) -> int:
    """Write and print a comparison and return the exit code. Nothing is written without videos."""
    for failure in found.failures:
        say_failure(failure)
    if not found.measured:
        return NOTHING_DONE
    write(comparison.document_of(found), folder, as_json=as_json, headings=True)
    return SOME_FAILED if found.failures else 0


def report_accuracy(
    evaluation: Evaluation, setup: Mapping[str, Any], folder: Path, *, as_json: bool
) -> int:
    """Write and print an evaluation and return the exit code. Without answers write nothing."""
    for failure in evaluation.failures:
        say_failure(failure)
    if not evaluation.answered:
        if not evaluation.failures:
            print("error: no video gives rise to a question; raise --videos", file=sys.stderr)
        return NOTHING_DONE
    findings = Findings.of(evaluation)
    document = accuracy.document_of(findings, evaluation.failures, setup)
    write(document, folder, as_json=as_json, notes=findings.notes)
    return SOME_FAILED if evaluation.failures else 0


def write(
    document: Document,
    folder: Path,
    *,
    as_json: bool,
    headings: bool = False,
    notes: Sequence[str] = (),
) -> None:
    """Write the files of a document and print it."""
    document.write(folder)
    for text in notes:
        note(text)
    if as_json:
        print(document.json)
        return
    show(document, headings=headings)
    *first, last = (f"{document.name}.{ending}" for ending in ("json", "md", *PLOT_FORMS))
    note(f"{', '.join(first)} and {last} are in {folder}")


def show(document: Document, *, headings: bool) -> None:
    """Print tables on a terminal, with `headings` or without, or lines when piped."""
    console = Console(highlight=False)
    if not console.is_terminal:
        print(*document.lines, sep="\n")
        return
    for title, table in document.tables(console.width).items():
        console.print(*([title] if headings else []), table, sep="\n")
