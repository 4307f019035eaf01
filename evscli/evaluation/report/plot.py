"""Accuracy against the fraction of tokens kept, one line a method, one panel a kind of question."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from matplotlib.transforms import ScaledTranslation

from evscli.evaluation.selections import RANDOM, UNPRUNED
from evscli.evaluation.statistics.results import ALL, Tally
from evscli.evaluation.statistics.series import kinds_of, series_names, series_of
from evscli.plotting import (
    FRAME_HEIGHT,
    GREY,
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

DODGE = 2.5
"""Points between the error bars of two methods at one place."""


def plot_accuracy(tallies: Sequence[Tally], *, title: str, form: Form) -> bytes:
    """The plot as the bytes of a PNG or SVG file: all questions first, then a panel for every kind.

    Points stand at the fraction of tokens really kept, which a method's own rule may put off the
    budget. Bars and the band around `unpruned` are 95 % intervals; the dotted line is guessing.
    The same tallies give the same bytes with the same release of matplotlib.
    """
    return render(lambda: draw_figure(tallies, title), form)


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
    add_legend(figure, panels[0], last=("unpruned", "guessing"))
    figure.suptitle(title, parse_math=False)
    return figure


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
    set_budget_axis(
        axes,
        budgets={tally.budget for tally in pruned},
        kept=[tally.kept_fraction for tally in pruned],
    )
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    low = min(min(tally.low, tally.chance) for tally in tallies)
    high = max(tally.high for tally in tallies)
    axes.set_ylim(max(0, low - 0.05), min(1.02, high + 0.05))
