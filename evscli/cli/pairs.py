"""Names and values in two columns."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

Pairs = Iterable[tuple[str, str]]


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
