"""A comparison as people read it: tables for a terminal or Markdown, lines for programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields

from rich.table import Table
from rich.text import Text

from evscli.evaluation.compare.rows import Row
from evscli.tables import new_table

Column = tuple[str, Callable[[Row], str]]

FIRST: tuple[Column, ...] = (
    ("budget", lambda row: row.budget),
    ("kept", lambda row: f"{row.kept:,}"),
    ("share", lambda row: f"{row.share:.1%}"),
    ("choosing", lambda row: f"{1000 * row.seconds:.1f} ms"),
    ("KL", lambda row: number(row.kl)),
    ("same token", lambda row: percent(row.same_token)),
    ("overlap", lambda row: percent(row.inside_overlap)),
    ("cosine", lambda row: number(row.inside_cosine)),
)
DIAGNOSTICS: tuple[Column, ...] = (
    ("budget", lambda row: row.budget),
    ("k-center", lambda row: number(row.k_center_radius)),
    ("facility", lambda row: number(row.facility_location)),
    ("residual", lambda row: number(row.projection_residual)),
    ("entropy", lambda row: number(row.budget_entropy)),
    ("event tokens", lambda row: percent(row.event_token_recall)),
    ("events", lambda row: percent(row.event_recall)),
)


def selections_table(rows: Sequence[Row]) -> Table:
    """What was kept, how fast that was chosen, and how far the model's next token moves."""
    return _table(rows, FIRST)


def diagnostics_table(rows: Sequence[Row]) -> Table:
    """The numbers that need no language model."""
    return _table(rows, DIAGNOSTICS)


def overlaps_table(rows: Sequence[Row], overlaps: Sequence[Sequence[float]]) -> Table:
    """Intersection over union of the masks of every two selections; columns are the rows' `#`."""
    table = new_table("#", "method", "budget", *(str(place) for place in range(1, len(rows) + 1)))
    table.columns[1].justify = "left"
    for place, (row, shares) in enumerate(zip(rows, overlaps, strict=True), start=1):
        cells = [f"{share:.0%}" for share in shares[:place]]
        table.add_row(str(place), Text(row.name), row.budget, *cells)
    return table


def lines(rows: Sequence[Row]) -> list[str]:
    """A head, then one tab-separated line a selection, with an empty cell where nothing is."""
    names = [each.name for each in fields(Row)]
    cells = [[plain(getattr(row, name)) for name in names] for row in rows]
    return ["\t".join(line) for line in (names, *cells)]


def _table(rows: Sequence[Row], columns: Sequence[Column]) -> Table:
    """Columns without a single value are left out."""
    cells = [[text(row) for row in rows] for _, text in columns]
    shown = [place for place, column in enumerate(cells) if any(column)]
    table = new_table("method", *(columns[place][0] for place in shown))
    for line, row in enumerate(rows):
        table.add_row(Text(row.name), *(cells[place][line] for place in shown))
    return table


def number(value: float | None) -> str:
    """Three decimals; nothing for None."""
    return "" if value is None else f"{value:.3f}"


def percent(value: float | None) -> str:
    """Whole percent; nothing for None."""
    return "" if value is None else f"{value:.0%}"


def plain(value: object) -> str:
    """A cell of a line for programs."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)
