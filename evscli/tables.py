"""Tables for a terminal or a page of Markdown, in the look that all commands share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

Pairs = Iterable[tuple[str, str]]
"""Names and values in two columns."""


def new_table(first: str, *others: str) -> Table:
    """Return an empty table whose columns after the first are aligned to the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(Text(first), overflow="fold")
    for name in others:
        table.add_column(Text(name), justify="right", overflow="fold")
    return table


def table_of(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    left: int = 1,
    last: Sequence[str] | None = None,
) -> Table:
    """Return a table of cells: texts in the first `left` columns, and numbers in the others.

    `last` is a row behind the others that is dimmed.
    """
    table = new_table(*head)
    for column in table.columns[:left]:
        column.justify = "left"
    for row in rows:
        table.add_row(*map(Text, row))
    if last is not None:
        table.add_row(*map(Text, last), style="dim")
    return table


def print_pairs(console: Console, pairs: Pairs) -> None:
    """Print names and values side by side, long values wrapped in their column; tabs when piped."""
    if not console.is_terminal:
        for name, value in pairs:
            print(f"{name}\t{value}")
        return
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(Text(name), Text(value))
    console.print(grid)


def tab_separated(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a line for the head and one for every row, for programs."""
    return ["\t".join(row) for row in (head, *rows)]


def as_markdown(table: Table) -> str:
    """Return a table as Markdown, with a final newline."""
    columns = table.columns
    rules = ["---:" if column.justify == "right" else "---" for column in columns]
    cells = zip(*([escaped(cell) for cell in column.cells] for column in columns), strict=True)
    rows = [[escaped(column.header) for column in columns], rules, *cells]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def escaped(cell: object) -> str:
    """Return the text of a cell with its column separators escaped."""
    return str(cell).strip().replace("|", "\\|")
