"""Tallies as people read them: tables for a terminal or Markdown, lines for programs."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from evscli.evaluation.statistics.correlation import Correlation
from evscli.evaluation.statistics.results import ALL, Difference, Tally
from evscli.evaluation.statistics.series import kinds_of, series_names, series_of
from evscli.tables import new_table

WIDE = 100
"""Columns of a terminal from which differences are shown with their intervals."""


def overall_table(tallies: Sequence[Tally], *, width: int) -> Table:
    """Accuracy over all questions: one row for every method and budget, with 95 % intervals.

    Differences are in percentage points, with a star where their interval excludes 0.
    """
    names = series_names(tallies)
    table = new_table("method", "budget", "kept", "right", "95 %", "vs unpruned", "vs random")
    for row in (tally for tally in tallies if tally.kind == ALL):
        table.add_row(
            Text(names[series_of(row)]),
            f"{row.budget:g}",
            f"{row.kept_fraction:.1%}",
            f"{row.accuracy:.1%}",
            f"{100 * row.low:.1f}-{100 * row.high:.1f}",
            difference_text(row.versus_none, wide=width >= WIDE),
            difference_text(row.versus_random, wide=width >= WIDE),
        )
    return table


def kinds_table(tallies: Sequence[Tally]) -> Table | None:
    """Accuracy by kind of question, one column each; None where there is only one kind."""
    kinds = kinds_of(tallies)[1:]
    if not kinds:
        return None
    names = series_names(tallies)
    right = {(series_of(row), row.budget, row.kind): f"{row.accuracy:.0%}" for row in tallies}
    table = new_table("method", "budget", *kinds)
    for row in (tally for tally in tallies if tally.kind == ALL):
        cells = [right[series_of(row), row.budget, kind] for kind in kinds]
        table.add_row(Text(names[series_of(row)]), f"{row.budget:g}", *cells)
    chances = {row.kind: f"{row.chance:.0%}" for row in tallies}
    table.add_row("guessing", "", *(chances[kind] for kind in kinds), style="dim")
    return table


def baselines_table(tallies: Sequence[Tally]) -> Table:
    """Accuracy with something taken away from the videos: one row each, one column a kind."""
    kinds = kinds_of(tallies)
    right = {(row.method, row.kind): f"{row.accuracy:.0%}" for row in tallies}
    table = new_table("view", *kinds)
    for name in dict.fromkeys(row.method for row in tallies):
        table.add_row(Text(name), *(right[name, kind] for kind in kinds))
    chances = {row.kind: f"{row.chance:.0%}" for row in tallies}
    table.add_row("guessing", *(chances[kind] for kind in kinds), style="dim")
    return table


def correlations_table(correlations: Sequence[Correlation]) -> Table:
    """Spearman's rho of every diagnostic with the accuracy over all questions."""
    table = new_table("diagnostic", "all selections", "within a budget", "selections")
    for row in (found for found in correlations if found.kind == ALL):
        rhos = (row.overall, row.within_budget)
        texts = ["" if rho is None else f"{rho:+.2f}" for rho in rhos]
        table.add_row(Text(row.diagnostic), *texts, str(row.selections))
    return table


HEAD = (
    *("kind", "method", "budget", "kept", "questions", "accuracy", "low", "high", "chance"),
    *("vs_unpruned", "vs_unpruned_low", "vs_unpruned_high"),
    *("vs_random", "vs_random_low", "vs_random_high"),
)
"""Of the lines for programs."""


def difference_text(difference: Difference | None, *, wide: bool) -> str:
    """Percentage points, a star where they are not 0 by chance, `wide` their interval."""
    if difference is None:
        return ""
    value, low, high = (100 * x for x in (difference.value, difference.low, difference.high))
    star = "*" if low > 0 or high < 0 else " "
    return f"{value:+.1f}{star}" + f" ({low:+.1f} to {high:+.1f})" * wide


def lines(tallies: Sequence[Tally]) -> list[str]:
    """A head, then one line for every tally: what it counts, accuracy with its bounds, chance, and
    the differences to unpruned and to random with theirs, empty where there is none.
    """
    names = series_names(tallies)
    rows = [(row.kind, names[series_of(row)], *numbers(row)) for row in tallies]
    return ["\t".join(row) for row in (HEAD, *rows)]


def numbers(row: Tally) -> list[str]:
    """The numbers of a line, as texts."""
    fractions = (row.accuracy, row.low, row.high, row.chance)
    return [
        f"{row.budget:g}",
        f"{row.kept_fraction:.4f}",
        str(row.asked),
        *(f"{fraction:.4f}" for fraction in fractions),
        *bounds(row.versus_none),
        *bounds(row.versus_random),
    ]


def bounds(difference: Difference | None) -> list[str]:
    """Value, low and high as texts."""
    if difference is None:
        return ["", "", ""]
    return [f"{x:.4f}" for x in (difference.value, difference.low, difference.high)]
