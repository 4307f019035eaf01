"""The output of `evs inspect` for a folder of stores: a line for each, made of summaries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from evscli.cli.units import duration_text, size_text

if TYPE_CHECKING:
    from evscli.store.summary import StoreSummary

WIDE = 110
"""The columns from which a terminal also shows how the stores were made."""


def print_stores(summaries: Sequence[StoreSummary]) -> None:
    """Print a table on a terminal; piped, tab-separated plain numbers, seconds and bytes."""
    console = Console(highlight=False)
    if not console.is_terminal:
        for summary in summaries:
            print(_line(summary))
        return
    wide = console.width >= WIDE
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("store", overflow="fold")
    for name in ("videos", "failed", "tokens", "kept", "%", "duration", "on disk"):
        table.add_column(name, justify="right", overflow="fold")
    for name in ("method", "budget", "model") if wide else ():
        table.add_column(name, overflow="fold")
    for summary in summaries:
        cells = (*_cells(summary), *(_made_with(summary) if wide else ()))
        table.add_row(*map(Text, cells))
    console.print(table)


def _cells(summary: StoreSummary) -> tuple[str, ...]:
    return (
        Path(summary.path).name,
        f"{len(summary.videos):,}",
        f"{len(summary.failures):,}" if summary.failures else "",
        f"{summary.tokens:,}",
        f"{summary.kept:,}",
        "" if summary.retention is None else f"{summary.retention:.1%}",
        duration_text(summary.seconds),
        size_text(summary.size),
    )


def _line(summary: StoreSummary) -> str:
    numbers = (
        len(summary.videos),
        len(summary.failures),
        summary.tokens,
        summary.kept,
        "" if summary.retention is None else f"{summary.retention:.4f}",
        f"{summary.seconds:.3f}",
        summary.size,
    )
    return "\t".join((summary.path, *map(str, numbers), *_made_with(summary)))


def _made_with(summary: StoreSummary) -> tuple[str, str, str]:
    """Return method, budget and model, which are empty without videos."""
    if not summary.videos:
        return "", "", ""
    info = summary.videos[0]
    return info.method, info.budget_rule or f"{info.budget:g}", info.model.name
