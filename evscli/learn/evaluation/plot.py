"""Accuracy against the fraction of tokens kept, one line a method, one panel a kind of question.

The figure is built without pyplot, so nothing of it is global, and the same tallies give the same
bytes: no clock, no random ids, no settings of the user's own.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from math import ceil, log
from typing import TYPE_CHECKING, Any, Literal

import matplotlib
import matplotlib.style
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter
from matplotlib.transforms import ScaledTranslation

from evscli.learn.evaluation.results import ALL, Tally
from evscli.learn.evaluation.selections import RANDOM, UNPRUNED
from evscli.learn.evaluation.series import kinds_of, series_names, series_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito, "Color Universal Design" (2008): told apart with any colour vision."""
MARKERS = "osD^vP"
STROKES = ("-", "--", "-.", ":")
GREY = "#7a7a7a"
RANDOM_LOOK = {"color": GREY, "marker": "x", "linestyle": "--"}

WIDTH = 8.3
"""Inches: 830 pixels at the 100 dots per inch a README is shown at."""
PANEL_HEIGHT = 2.5
FRAME_HEIGHT = 1.0
MOST_COLUMNS = 3
MOST_TICKS = 6
MOST_NAMES = 6
DOTS_PER_INCH = 200
DODGE = 2.5
"""Points between the error bars of two methods at one place."""

NAMELESS: dict[str, dict[str, str | None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
}
"""Metadata without clock and versions."""

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
}


Form = Literal["png", "svg"]


def plot_accuracy(tallies: Sequence[Tally], *, title: str, form: Form) -> bytes:
    """The plot as the bytes of a PNG or SVG file: all questions first, then a panel for every kind.

    Points stand at the fraction of tokens really kept, which a method's own rule may put off the
    budget. Bars and the band around `unpruned` are 95 % intervals; the dotted line is guessing.
    The same tallies give the same bytes with the same release of matplotlib.
    """
    with own_style():
        figure = draw_figure(tallies, title)
        file = io.BytesIO()
        figure.savefig(file, format=form, dpi=DOTS_PER_INCH, metadata=NAMELESS[form])
    return file.getvalue()


@contextmanager
def own_style() -> Iterator[None]:
    """The settings of the plots, whatever a person set for matplotlib."""
    # Styles leave the salt of ids in SVG alone, and without one they are random.
    with (
        matplotlib.style.context(["default", STYLE]),
        matplotlib.rc_context({"svg.hashsalt": "evs"}),
    ):
        yield


def draw_figure(tallies: Sequence[Tally], title: str) -> Figure:
    """All panels with their legend."""
    kinds = kinds_of(tallies)
    columns = min(MOST_COLUMNS, len(kinds))
    rows = ceil(len(kinds) / columns)
    figure = Figure(figsize=(WIDTH, rows * PANEL_HEIGHT + FRAME_HEIGHT), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flatten()
    for kind, axes in zip(kinds, panels, strict=False):
        draw_panel(axes, [tally for tally in tallies if tally.kind == kind])
        axes.set_title("all questions" if kind == ALL else kind, parse_math=False)
        axes.tick_params(labelbottom=True)  # also where no panel is below
        if axes in panels[::columns]:
            axes.set_ylabel("right answers")
        if axes in panels[len(kinds) - columns : len(kinds)]:
            axes.set_xlabel("visual tokens kept")
    for axes in panels[len(kinds) :]:
        axes.set_visible(False)
    set_scales(panels[0], tallies)
    add_legend(figure, panels[0])
    figure.suptitle(title, parse_math=False)
    return figure


def add_legend(figure: Figure, axes: Axes) -> None:
    """One legend for all panels, below them: methods first, in rows of like length."""
    named = sorted(
        zip(*axes.get_legend_handles_labels(), strict=True),
        key=lambda entry: entry[1] in ("unpruned", "guessing"),
    )
    columns = ceil(len(named) / ceil(len(named) / MOST_NAMES))
    figure.legend(*zip(*named, strict=True), loc="outside lower center", ncols=columns)


def draw_panel(axes: Axes, tallies: Sequence[Tally]) -> None:
    """One kind of question: every method's line over what it is measured against."""
    names = series_names([tally for tally in tallies if tally.method != UNPRUNED])
    for number, (series, name) in enumerate(names.items()):
        points = [tally for tally in tallies if series_of(tally) == series]
        shift = DODGE * (number - (len(names) - 1) / 2)
        draw_line(axes, points, name, shift, RANDOM_LOOK if name == RANDOM else look_of(number))
    for tally in tallies:
        if tally.method == UNPRUNED:
            axes.axhspan(tally.low, tally.high, color="black", alpha=0.07, linewidth=0)
            axes.axhline(tally.accuracy, color="black", linewidth=1.2, label="unpruned")
    axes.axhline(tallies[0].chance, color=GREY, linestyle=":", linewidth=1.2, label="guessing")


def look_of(number: int) -> dict[str, Any]:
    """Colour, marker and stroke of a method; no two of 24 are alike."""
    colour, stroke = number % len(COLOURS), number // len(COLOURS)
    return {
        "color": COLOURS[colour],
        "marker": MARKERS[colour],
        "linestyle": STROKES[stroke % len(STROKES)],
    }


def draw_line(
    axes: Axes, points: Sequence[Tally], name: str, shift: float, look: dict[str, Any]
) -> None:
    """One method's points with their intervals, moved by `shift` typographic points to the side."""
    points = sorted(points, key=lambda tally: tally.kept_fraction)
    accuracy = [tally.accuracy for tally in points]
    below = [tally.accuracy - tally.low for tally in points]
    above = [tally.high - tally.accuracy for tally in points]
    # The values stay what they are: only the drawing moves.
    moved = ScaledTranslation(shift / 72, 0, axes.figure.dpi_scale_trans)
    axes.errorbar(
        [tally.kept_fraction for tally in points],
        accuracy,
        yerr=[below, above],
        label=name,
        capsize=2,
        elinewidth=0.9,
        transform=axes.transData + moved,
        **look,
    )


def set_scales(axes: Axes, tallies: Sequence[Tally]) -> None:
    """The axes that all panels share: budgets in proportion, accuracies with room around them."""
    pruned = [tally for tally in tallies if tally.method != UNPRUNED]
    kept = [x for tally in pruned for x in (tally.kept_fraction, tally.budget)]
    axes.set_xscale("log")
    axes.set_xlim(min(kept) / 1.15, max(kept) * 1.15)
    axes.xaxis.set_major_locator(FixedLocator(spaced({tally.budget for tally in pruned})))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    low = min(min(tally.low, tally.chance) for tally in tallies)
    high = max(tally.high for tally in tallies)
    axes.set_ylim(max(0, low - 0.05), min(1.02, high + 0.05))


def spaced(budgets: Collection[float]) -> list[float]:
    """Those budgets whose labels have room beside each other, the largest first."""
    room = log(max(budgets) / min(budgets)) / MOST_TICKS
    chosen: list[float] = []
    for budget in sorted(budgets, reverse=True):
        if not chosen or log(chosen[-1] / budget) >= room:
            chosen.append(budget)
    return chosen
