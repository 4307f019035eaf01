"""A comparison of selections as a document: tokens kept, diagnostics, overlaps of masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from rich.table import Table

from evscli.evaluation.compare.comparison import Comparison, Row
from evscli.evaluation.report import plots
from evscli.evaluation.report.document import Document
from evscli.tables import tab_separated, table_of
from evscli.texts import count_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CELL_SIZE = 0.24
"""The inches of a row of the overlaps."""
MOST_WRITTEN = 20
"""The most selections whose overlaps are written into their cells."""
DARK = 0.6
"""The overlap from which text is white."""

REMARK = (
    "`share`: of the tokens before pruning. `choosing`: time of the choice alone, a mean over "
    "videos. `KL`: of the distribution of the language model's next token from that of the "
    "unpruned prefill, in nats. `overlap` and `cosine`: pruning inside the encoder or before it "
    "against the same rule after it. None of the diagnostics is established as a predictor of "
    "accuracy."
)

Columns = dict[str, Callable[[Row], str]]

SELECTIONS: Columns = {
    "method": lambda row: row.name,
    "budget": lambda row: row.budget,
    "kept": lambda row: f"{row.kept:,}",
    "share": lambda row: f"{row.share:.1%}",
    "choosing": lambda row: f"{1000 * row.seconds:.1f} ms",
    "KL": lambda row: number(row.kl),
    "same token": lambda row: percent(row.same_token),
    "overlap": lambda row: percent(row.inside_overlap),
    "cosine": lambda row: number(row.inside_cosine),
}
DIAGNOSTICS: Columns = {
    "method": lambda row: row.name,
    "budget": lambda row: row.budget,
    "k-center": lambda row: number(row.k_center_radius),
    "facility": lambda row: number(row.facility_location),
    "residual": lambda row: number(row.projection_residual),
    "entropy": lambda row: number(row.budget_entropy),
    "event tokens": lambda row: percent(row.event_token_recall),
    "events": lambda row: percent(row.event_recall),
}
PANELS: dict[str, Callable[[Row], float | None]] = {
    "events seen, share of their tokens": lambda row: row.event_token_recall,
    "KL of the next token (nats)": lambda row: row.kl,
    "k-center radius": lambda row: row.k_center_radius,
    "facility location": lambda row: row.facility_location,
    "projection residual": lambda row: row.projection_residual,
    "entropy of the frames' budgets": lambda row: row.budget_entropy,
}


def document_of(comparison: Comparison) -> Document:
    """Return all findings of a comparison of at least one video."""
    rows, overlaps = comparison.rows, comparison.overlaps
    videos = count_text(len(comparison.measured), "video")
    title = (
        f"{comparison.setup['model']}: what pruning keeps of {videos}, {rows[0].tokens:,} tokens"
    )
    return Document(
        name="compare",
        title=title,
        values=comparison.as_json(),
        lines=lines(rows),
        tables=lambda _: {
            "Selections": rows_table(rows, SELECTIONS),
            "Diagnostics": rows_table(rows, DIAGNOSTICS),
            "Overlap of masks": overlaps_table(rows, overlaps),
        },
        remarks=[REMARK],
        draw=lambda: draw_figure(rows, overlaps, title),
    )


def rows_table(rows: Sequence[Row], columns: Columns) -> Table:
    """Make a line for every selection. Columns without a single value are left out."""
    cells = {name: [text(row) for row in rows] for name, text in columns.items()}
    shown = {name: column for name, column in cells.items() if any(column)}
    return table_of(list(shown), zip(*shown.values(), strict=True))


def overlaps_table(rows: Sequence[Row], overlaps: Sequence[Sequence[float]]) -> Table:
    """Make a table of the masks' intersections over unions; columns are the rows' `#`."""
    places = [str(place) for place in range(1, len(rows) + 1)]
    cells = [
        [place, row.name, row.budget, *(f"{share:.0%}" for share in shares[: int(place)])]
        for place, row, shares in zip(places, rows, overlaps, strict=True)
    ]
    return table_of(["#", "method", "budget", *places], cells, left=2)


def lines(rows: Sequence[Row]) -> list[str]:
    """Return every number of every selection, with an empty cell where there is none."""
    names = [each.name for each in fields(Row)]
    return tab_separated(names, ([plain(getattr(row, name)) for name in names] for row in rows))


def number(value: float | None) -> str:
    """Return a number with three decimals, or an empty text for None."""
    return "" if value is None else f"{value:.3f}"


def percent(value: float | None) -> str:
    """Return whole percent, or an empty text for None."""
    return "" if value is None else f"{value:.0%}"


def plain(value: object) -> str:
    """Return a value as a cell of a line for programs."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)


def draw_figure(rows: Sequence[Row], overlaps: Sequence[Sequence[float]], title: str) -> Figure:
    """Draw the panels that any selection has a number for, but for one of zeros, and the overlaps.

    Every panel has one line for each method, its points at the share of tokens really kept.
    """
    shown = {name: value for name, value in PANELS.items() if any(map(value, rows))}
    heights = [
        plots.lines_of(len(shown)) * plots.PANEL_HEIGHT + plots.FRAME_HEIGHT,
        (len(rows) + 1) * CELL_SIZE + plots.FRAME_HEIGHT,
    ]
    figure = Figure(figsize=(plots.WIDTH, sum(heights)), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=heights)
    upper, lower = parts
    axes = plots.draw_panels(
        upper, {name: partial(draw_panel, rows, value) for name, value in shown.items()}
    )
    shares = [row.share for row in rows]
    # Budgets that kept roughly the same share have one tick.
    plots.set_budget_axis(axes[0], budgets={float(f"{share:.2g}") for share in shares}, kept=shares)
    plots.add_legend(upper, axes[0])
    draw_overlaps(lower.subplots(), rows, overlaps)
    figure.suptitle(title, parse_math=False)
    return figure


def draw_panel(rows: Sequence[Row], value: Callable[[Row], float | None], axes: Axes) -> None:
    """Draw one number against the tokens kept, a line for every method."""
    for name, look in plots.looks_of(dict.fromkeys(row.name for row in rows)).items():
        points = sorted((row for row in rows if row.name == name), key=lambda row: row.share)
        known = [(row.share, y) for row in points if (y := value(row)) is not None]
        axes.plot([x for x, _ in known], [y for _, y in known], label=name, **look)


def draw_overlaps(axes: Axes, rows: Sequence[Row], overlaps: Sequence[Sequence[float]]) -> None:
    """Draw the overlaps as a matrix, darker for more."""
    places = range(len(rows))
    axes.imshow(overlaps, cmap="Blues", vmin=0, vmax=1.15, aspect="auto")
    axes.set_yticks(
        places,
        [f"{row.name} {row.budget}  {place + 1}" for place, row in enumerate(rows)],
        parse_math=False,
    )
    axes.set_xticks(places, [str(place + 1) for place in places])
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_title("overlap of masks: kept by both, % of kept by either", parse_math=False)
    if len(rows) > MOST_WRITTEN:
        return
    for down, line in enumerate(overlaps):
        for right, share in enumerate(line):
            colour = "white" if share >= DARK else "black"
            text = f"{100 * share:.0f}"
            axes.text(right, down, text, ha="center", va="center", fontsize=7, color=colour)
