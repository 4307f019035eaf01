"""A comparison as a picture: numbers against the tokens kept, and how far masks overlap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from evscli.evaluation.compare.rows import Row
from evscli.plotting import (
    FRAME_HEIGHT,
    MOST_COLUMNS,
    PANEL_HEIGHT,
    RANDOM_LOOK,
    WIDTH,
    Form,
    add_legend,
    look_of,
    render,
    set_budget_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RANDOM = "random"
CELL = 0.24
"""Inches of a row of the overlaps."""
MOST_WRITTEN = 20
"""Selections up to which the overlaps are written into their cells."""
DARK = 0.6
"""Overlap from which writing is white."""


@dataclass(frozen=True)
class Panel:
    """One number of every selection."""

    title: str
    value: Callable[[Row], float | None]


PANELS = (
    Panel("events seen, share of their tokens", lambda row: row.event_token_recall),
    Panel("KL of the next token (nats)", lambda row: row.kl),
    Panel("k-center radius", lambda row: row.k_center_radius),
    Panel("facility location", lambda row: row.facility_location),
    Panel("projection residual", lambda row: row.projection_residual),
    Panel("entropy of the frames' budgets", lambda row: row.budget_entropy),
)


def plot_comparison(
    rows: Sequence[Row], overlaps: Sequence[Sequence[float]], *, title: str, form: Form
) -> bytes:
    """The plot as the bytes of a PNG or SVG file.

    Every panel has one line for each method, its points at the share of tokens really kept. Below
    them the overlap of every two masks. The same values give the same bytes with the same release
    of matplotlib.
    """
    return render(lambda: draw_figure(rows, overlaps, title), form)


def draw_figure(rows: Sequence[Row], overlaps: Sequence[Sequence[float]], title: str) -> Figure:
    """The panels that any selection has a number for, one of zeros left out, and the overlaps."""
    shown = [panel for panel in PANELS if any(panel.value(row) for row in rows)]
    lines = ceil(len(shown) / MOST_COLUMNS)
    heights = [lines * PANEL_HEIGHT + FRAME_HEIGHT, (len(rows) + 1) * CELL + FRAME_HEIGHT]
    figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=heights)
    upper, lower = parts
    draw_panels(upper, rows, shown, lines)
    draw_overlaps(lower.subplots(), rows, overlaps)
    figure.suptitle(title, parse_math=False)
    return figure


def draw_panels(figure: Any, rows: Sequence[Row], shown: Sequence[Panel], lines: int) -> None:
    """One panel a number, a line a method."""
    axes = figure.subplots(lines, MOST_COLUMNS, sharex=True, squeeze=False).flatten()
    for place, (panel, one) in enumerate(zip(shown, axes, strict=False)):
        draw_panel(one, rows, panel)
        one.tick_params(labelbottom=True)  # also where no panel is below
        if place >= len(shown) - MOST_COLUMNS:
            one.set_xlabel("visual tokens kept")
    for one in axes[len(shown) :]:
        one.set_visible(False)
    set_budget_axis(axes[0], budgets=ticks(rows), kept=[row.share for row in rows])
    add_legend(figure, axes[0])


def draw_panel(axes: Axes, rows: Sequence[Row], panel: Panel) -> None:
    """One number against the tokens kept."""
    for number, name in enumerate(dict.fromkeys(row.name for row in rows)):
        points = sorted((row for row in rows if row.name == name), key=lambda row: row.share)
        look = RANDOM_LOOK if name.split()[0] == RANDOM else look_of(number)
        heights = [panel.value(row) for row in points]
        known = [(p.share, y) for p, y in zip(points, heights, strict=True) if y is not None]
        axes.plot([x for x, _ in known], [y for _, y in known], label=name, **look)
    axes.set_title(panel.title, parse_math=False)


def ticks(rows: Sequence[Row]) -> set[float]:
    """Where the axis of budgets has ticks: what was kept, roughly the same once."""
    return {float(f"{row.share:.2g}") for row in rows}


def draw_overlaps(axes: Axes, rows: Sequence[Row], overlaps: Sequence[Sequence[float]]) -> None:
    """The overlaps as a matrix, darker for more."""
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
