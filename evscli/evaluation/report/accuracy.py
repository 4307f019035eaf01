"""Accuracies as a document: against the tokens kept, by kind of question, with correlations.

Intervals are those of `statistics`. Differences are in percentage points, with a star where their
interval excludes 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from matplotlib.transforms import ScaledTranslation
from rich.table import Table

from evscli.evaluation.report import plots
from evscli.evaluation.report.document import WIDE_TABLE, Document
from evscli.evaluation.selections import UNPRUNED
from evscli.evaluation.statistics.findings import Correlation, Findings
from evscli.evaluation.statistics.lines import first_name, kinds_of, series_names, several_frames
from evscli.evaluation.statistics.results import ALL
from evscli.evaluation.statistics.tallies import Difference, Tally
from evscli.records import Failure
from evscli.tables import tab_separated, table_of
from evscli.texts import count_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DODGE, MOST_DODGE = 2.5, 10.0
"""The points between the error bars of two methods at one place, and between those of all."""

Labels = Mapping[str, Callable[[Tally], str]]
"""The texts that name the selection of a row, by the heads of their columns."""

REMARK = (
    "Intervals are 95 % with videos as clusters; a star marks a difference, in percentage points, "
    "whose interval excludes 0."
)
HEAD = (
    *("kind", "method", "budget", "kept", "questions", "accuracy", "low", "high", "chance"),
    *("vs_unpruned", "vs_unpruned_low", "vs_unpruned_high"),
    *("vs_random", "vs_random_low", "vs_random_high"),
    *("vs_first", "vs_first_low", "vs_first_high"),
    *("num_frames", "kept_tokens"),
)
"""The head above the lines for programs."""


def document_of(
    findings: Findings, failures: Sequence[Failure], setup: Mapping[str, Any]
) -> Document:
    """Return all findings of an evaluation. `setup` are the JSON values to repeat it with."""
    tallies, total = findings.tallies, findings.tallies[0]
    asked = f"{count_text(total.asked, 'question')} about {count_text(total.videos, 'video')}"
    title = f"{setup['model']}: accuracy against tokens kept, {asked}"
    return Document(
        name="accuracy",
        title=title,
        values=as_json(findings, failures, setup),
        lines=lines([*tallies, *findings.baselines]),
        tables=partial(tables_of, findings),
        remarks=[REMARK, *(f"- {text}" for text in findings.notes)],
        draw=lambda: draw_figure(tallies, title),
    )


def as_json(
    findings: Findings, failures: Sequence[Failure], setup: Mapping[str, Any]
) -> dict[str, Any]:
    """Return all findings as JSON values. Missing measurements and the time of day are left out."""
    extra = {
        "notes": findings.notes,
        "baselines": [asdict(row) for row in findings.baselines],
        "diagnostics": [asdict(row) for row in findings.diagnostics],
        "correlations": [asdict(row) for row in findings.correlations],
    }
    return {
        **setup,
        "interval": "95 % confidence, videos as clusters",
        "tallies": [asdict(tally) for tally in findings.tallies],
        **{name: rows for name, rows in extra.items() if rows},
        "failures": [asdict(failure) for failure in failures],
    }


def tables_of(findings: Findings, width: int) -> dict[str, Table]:
    """Return the tables that have rows, by their titles."""
    tallies, baselines, found = findings.tallies, findings.baselines, findings.correlations
    tables = {
        "All questions": overall_table(tallies, width=width),
        "Right answers by kind of question": kinds_table(tallies),
        "Less than the video": baselines_table(baselines) if baselines else None,
        "Spearman's rho of diagnostics with accuracy": correlations_table(found) if found else None,
    }
    return {title: table for title, table in tables.items() if table is not None}


def overall_table(tallies: Sequence[Tally], *, width: int) -> Table:
    """Make a row for every method and budget: accuracy over all questions, with 95 % intervals.

    Where numbers of frames are compared, the tokens kept stand beside their share.
    """
    names, first = series_names(tallies), first_name(tallies)
    show = partial(difference_text, wide=width >= WIDE_TABLE)
    columns: Labels = {
        "method": lambda row: names[row.series],
        "budget": lambda row: row.named_budget,
        "kept": lambda row: f"{row.kept_fraction:.1%}",
        **({"tokens": lambda row: f"{row.kept_tokens:,.0f}"} if several_frames(tallies) else {}),
        "right": lambda row: f"{row.accuracy:.1%}",
        "95 %": lambda row: f"{100 * row.low:.1f}-{100 * row.high:.1f}",
        "vs unpruned": lambda row: show(row.versus_none),
        "vs random": lambda row: show(row.versus_random),
        **({} if first is None else {f"vs {first}": lambda row: show(row.versus_first)}),
    }
    rows = [row for row in tallies if row.kind == ALL]
    return table_of((*columns,), [[text(row) for text in columns.values()] for row in rows])


def kinds_table(tallies: Sequence[Tally]) -> Table | None:
    """Make a table of accuracy by kind of question. Return None where there is only one kind."""
    kinds, names = kinds_of(tallies)[1:], series_names(tallies)
    labels: Labels = {
        "method": lambda row: names[row.series],
        "budget": lambda row: row.named_budget,
    }
    return table_by_kind(tallies, kinds, labels) if kinds else None


def baselines_table(tallies: Sequence[Tally]) -> Table:
    """Make a row for each reduced view of the videos, with accuracy by kind."""
    return table_by_kind(tallies, kinds_of(tallies), {"view": lambda row: row.method})


def table_by_kind(tallies: Sequence[Tally], kinds: Sequence[str], labels: Labels) -> Table:
    """Make a row for every selection: its labels, then its accuracy in one column a kind."""
    right = {(row.selection, row.kind): f"{row.accuracy:.0%}" for row in tallies}
    chance = {row.kind: f"{row.chance:.0%}" for row in tallies}
    cells = [
        [*(text(row) for text in labels.values()), *(right[row.selection, kind] for kind in kinds)]
        for row in tallies
        if row.kind == ALL
    ]
    _, *others = labels
    last = ["guessing", *("" for _ in others), *(chance[kind] for kind in kinds)]
    return table_of((*labels, *kinds), cells, last=last)


def correlations_table(correlations: Sequence[Correlation]) -> Table:
    """Make a table of Spearman's rho of every diagnostic with the accuracy over all questions."""
    cells = [
        [
            row.diagnostic,
            *("" if rho is None else f"{rho:+.2f}" for rho in (row.overall, row.within_budget)),
            str(row.selections),
        ]
        for row in correlations
        if row.kind == ALL
    ]
    return table_of(("diagnostic", "all selections", "within a budget", "selections"), cells)


def difference_text(difference: Difference | None, *, wide: bool) -> str:
    """Return percentage points, with a star where their interval excludes 0, `wide` with it."""
    if difference is None:
        return ""
    value, low, high = (100 * x for x in (difference.value, difference.low, difference.high))
    star = "*" if low > 0 or high < 0 else " "
    return f"{value:+.1f}{star}" + f" ({low:+.1f} to {high:+.1f})" * wide


def lines(tallies: Sequence[Tally]) -> list[str]:
    """Return a line for every tally: labels, accuracy with its bounds, chance, and the differences
    to unpruned, to random and to the first method with theirs, empty where there is none; then the
    number of frames, if several are compared, and the mean number of tokens kept.
    """
    names = series_names(tallies)
    cells = (
        [
            *(row.kind, names[row.series], row.named_budget),
            *(f"{row.kept_fraction:.4f}", str(row.asked)),
            *(f"{share:.4f}" for share in (row.accuracy, row.low, row.high, row.chance)),
            *bounds(row.versus_none),
            *bounds(row.versus_random),
            *bounds(row.versus_first),
            *("" if row.num_frames is None else str(row.num_frames), f"{row.kept_tokens:.1f}"),
        ]
        for row in tallies
    )
    return tab_separated(HEAD, cells)


def bounds(difference: Difference | None) -> list[str]:
    """Return value, low and high as texts."""
    if difference is None:
        return ["", "", ""]
    return [f"{x:.4f}" for x in (difference.value, difference.low, difference.high)]


def draw_figure(tallies: Sequence[Tally], title: str) -> Figure:
    """Draw a panel for all questions, then one for every kind where there are several.

    Points stand at the fraction of tokens really kept, which a method's own rule may put off the
    budget; where numbers of frames are compared, at the number of tokens. Bars and the band around
    `unpruned` are 95 % intervals; the dotted line is guessing.
    """
    kinds = kinds_of(tallies)
    columns = min(plots.MOST_COLUMNS, len(kinds))
    height = plots.lines_of(len(kinds), columns) * plots.PANEL_HEIGHT + plots.FRAME_HEIGHT
    figure = Figure(figsize=(plots.WIDTH, height), layout="constrained")
    panels = {
        "all questions" if kind == ALL else kind: partial(
            draw_panel, [tally for tally in tallies if tally.kind == kind]
        )
        for kind in kinds
    }
    kept = "visual tokens kept of a video" if several_frames(tallies) else "visual tokens kept"
    axes = plots.draw_panels(figure, panels, columns=columns, label="right answers", kept=kept)
    set_scales(axes[0], tallies)
    plots.add_legend(figure, axes[0], last=("unpruned", "guessing"))
    figure.suptitle(title, parse_math=False)
    return figure


def draw_panel(tallies: Sequence[Tally], axes: Axes) -> None:
    """Draw one kind of question: the line of every method, and its references."""
    by = "kept_tokens" if several_frames(tallies) else "kept_fraction"
    unpruned = [tally for tally in tallies if tally.method == UNPRUNED]
    names = series_names([tally for tally in tallies if tally.method != UNPRUNED])
    looks = plots.looks_of(names.values())
    for number, (series, name) in enumerate(names.items()):
        points = [tally for tally in tallies if tally.series == series]
        shift = min(DODGE, MOST_DODGE / len(names)) * (number - (len(names) - 1) / 2)
        draw_line(axes, points, name, shift, looks[name], by=by)
    if several_frames(tallies):
        draw_line(axes, unpruned, "unpruned", 0, {"color": "black", "marker": "."}, by=by)
    else:
        for tally in unpruned:
            axes.axhspan(tally.low, tally.high, color="black", alpha=0.07, linewidth=0)
            axes.axhline(tally.accuracy, color="black", linewidth=1.2, label="unpruned")
    axes.axhline(
        tallies[0].chance, color=plots.GREY, linestyle=":", linewidth=1.2, label="guessing"
    )


def draw_line(
    axes: Axes, points: Sequence[Tally], name: str, shift: float, look: dict[str, Any], *, by: str
) -> None:
    """Draw one method's points with their intervals, `shift` typographic points to the side.

    The points stand where the field `by` of their tallies says.
    """
    points = sorted(points, key=attrgetter(by))
    accuracy = [tally.accuracy for tally in points]
    below = [tally.accuracy - tally.low for tally in points]
    above = [tally.high - tally.accuracy for tally in points]
    # The values do not change, only their places in the drawing.
    moved = ScaledTranslation(shift / 72, 0, axes.figure.dpi_scale_trans)
    axes.errorbar(
        [getattr(tally, by) for tally in points],
        accuracy,
        yerr=[below, above],
        label=name,
        capsize=2,
        elinewidth=0.9,
        transform=axes.transData + moved,
        **look,
    )


def set_scales(axes: Axes, tallies: Sequence[Tally]) -> None:
    """Set the axes that all panels share: budgets in proportion, accuracies with room around."""
    if several_frames(tallies):
        kept = [tally.kept_tokens for tally in tallies]
        places = {float(f"{tokens:.1g}") for tokens in kept}
        plots.set_budget_axis(axes, budgets=places, kept=kept, text="{:,.0f}".format)
    else:
        pruned = [tally for tally in tallies if tally.method != UNPRUNED]
        plots.set_budget_axis(
            axes,
            budgets={tally.fraction for tally in pruned},
            kept=[tally.kept_fraction for tally in pruned],
        )
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    low = min(min(tally.low, tally.chance) for tally in tallies)
    high = max(tally.high for tally in tallies)
    axes.set_ylim(max(0, low - 0.05), min(1.02, high + 0.05))
