"""What `evs compare` prints and writes: tables, a plot, and everything as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from evscli.cli.checks import NOTHING_DONE, SOME_FAILED
from evscli.cli.notes import note, say_failure
from evscli.cli.units import count_text
from evscli.evaluation.compare.comparison import Comparison
from evscli.evaluation.report.comparison_plot import plot_comparison
from evscli.evaluation.report.comparison_table import (
    diagnostics_table,
    lines,
    overlaps_table,
    selections_table,
)
from evscli.store.durable import make_folder, replace_file
from evscli.tables import as_markdown

MARKDOWN_NOTE = (
    "`share`: of the tokens before pruning. `choosing`: time of the choice alone, a mean over "
    "videos. `KL`: of the distribution of the language model's next token from that of the "
    "unpruned prefill, in nats. `overlap` and `cosine`: pruning inside the encoder against the "
    "same rule after it. None of the diagnostics is established as a predictor of accuracy.\n"
)


def report(comparison: Comparison, folder: Path, *, as_json: bool) -> int:
    """Write and print the results; the exit code. Without any video nothing is written."""
    for failure in comparison.failures:
        say_failure(failure)
    if not comparison.measured:
        return NOTHING_DONE
    document = json.dumps(comparison.as_json(), indent=2)
    write(comparison, folder, document=document)
    if as_json:
        print(document)
    else:
        show(comparison)
        note(f"compare.json, compare.md, compare.png and compare.svg are in {folder}")
    return SOME_FAILED if comparison.failures else 0


def title_of(comparison: Comparison) -> str:
    """What stands above the plot."""
    tokens = f"{comparison.rows[0].tokens:,} tokens"
    videos = count_text(len(comparison.measured), "video")
    return f"{comparison.setup['model']}: what pruning keeps of {videos}, {tokens}"


def write(comparison: Comparison, folder: Path, *, document: str) -> None:
    """The files, in place of older ones."""
    title = title_of(comparison)
    make_folder(folder)
    replace_file(folder / "compare.json", f"{document}\n".encode())
    replace_file(folder / "compare.md", markdown_of(title, comparison).encode())
    for form in ("png", "svg"):
        plot = plot_comparison(comparison.rows, comparison.overlaps, title=title, form=form)
        replace_file(folder / f"compare.{form}", plot)


def show(comparison: Comparison) -> None:
    """Tables on a terminal, tab-separated lines when piped."""
    console = Console(highlight=False)
    if not console.is_terminal:
        print(*lines(comparison.rows), sep="\n")
        return
    for title, table in tables_of(comparison).items():
        console.print(title, table, sep="\n")


def tables_of(comparison: Comparison) -> dict[str, Table]:
    """All tables, by what they show."""
    rows = comparison.rows
    return {
        "Selections": selections_table(rows),
        "Diagnostics": diagnostics_table(rows),
        "Overlap of masks": overlaps_table(rows, comparison.overlaps),
    }


def markdown_of(title: str, comparison: Comparison) -> str:
    """The tables as a page."""
    tables = tables_of(comparison).items()
    parts = [f"## {name}\n\n{as_markdown(table)}" for name, table in tables]
    return "\n".join([f"# {title}\n", *parts, MARKDOWN_NOTE])
