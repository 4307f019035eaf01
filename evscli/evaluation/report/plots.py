"""The common parts of all plots: panels, lines, an axis of budgets, files that repeat exactly.

Figures are built without pyplot, so they share no global state. The same values give the same
bytes with the same release of matplotlib: no clock, no random ids, no settings of the user's own.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from math import ceil, log
from typing import TYPE_CHECKING, Any, Literal

import matplotlib
import matplotlib.style
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.transforms import Bbox

from evscli.evaluation.selections import RANDOM

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""The colours of Okabe and Ito, "Color Universal Design" (2008), distinct to any colour vision."""
MARKERS = "osD^vP"
STROKES = ("-", "--", "-.", ":")
GREY = "#7a7a7a"
RANDOM_LOOK = {"color": GREY, "marker": "x", "linestyle": "--"}

WIDTH = 8.3
"""The width of a plot in inches: 830 pixels at the 100 dots per inch at which a README is shown."""
PANEL_HEIGHT = 2.5
FRAME_HEIGHT = 1.0
MOST_COLUMNS = 3
MOST_TICKS = 6
MOST_NAMES = 6
LEGEND_LETTERS, KEY_LETTERS = 115, 8
"""The letters that a row of a legend has room for, and those that the key before a name takes."""
DOTS_PER_INCH = 200
DIGITS = 6
"""The digits that positions, as fractions of the figure, are rounded to: far below a pixel."""

NAMELESS: dict[str, dict[str, str | None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
}
"""The metadata of every form of file, without clock and versions."""

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

PlotForm = Literal["png", "svg"]
PLOT_FORMS: tuple[PlotForm, ...] = ("png", "svg")


def render(draw: Callable[[], Figure], *forms: PlotForm) -> dict[PlotForm, bytes]:
    """Return a file of each form of the figure that `draw` makes, in evs's own style.

    The figure is made and laid out once for all forms.
    """
    files: dict[PlotForm, bytes] = {}
    with own_style():
        figure = draw()
        settle(figure)
        for form in forms:
            file = io.BytesIO()
            figure.savefig(file, format=form, dpi=DOTS_PER_INCH, metadata=NAMELESS[form])
            files[form] = file.getvalue()
    return files


def settle(figure: Figure) -> None:
    """Lay the figure out for good, every position rounded.

    The solver behind `layout="constrained"` adds up in an order that depends on addresses in
    memory, so the last bits of a position differ from one drawing to the next, and ids in SVG are
    hashes of positions.
    """
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    figure.set_layout_engine("none")
    for part in figure.subfigs:
        part.bbox_relative.set_points(part.bbox_relative.get_points().round(DIGITS))
    for axes in figure.get_axes():
        axes.set_position(Bbox(axes.get_position().get_points().round(DIGITS)))


@contextmanager
def own_style() -> Iterator[None]:
    """Apply the settings of all plots, whatever a person set for matplotlib."""
    # Styles do not set the salt of ids in SVG, and without one they are random.
    with (
        matplotlib.style.context(["default", STYLE]),
        matplotlib.rc_context({"svg.hashsalt": "evs"}),
    ):
        yield


def look_of(number: int) -> dict[str, Any]:
    """Return colour, marker and stroke of a line. No two of 24 are alike."""
    colour, stroke = number % len(COLOURS), number // len(COLOURS)
    return {
        "color": COLOURS[colour],
        "marker": MARKERS[(colour + stroke) % len(MARKERS)],
        "linestyle": STROKES[stroke % len(STROKES)],
    }


def looks_of(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the look of the line of every selection, which is grey for `random`."""
    return {
        name: RANDOM_LOOK if name.split()[0] == RANDOM else look_of(number)
        for number, name in enumerate(names)
    }


def lines_of(panels: int, columns: int = MOST_COLUMNS) -> int:
    """Return the number of lines that panels take, `columns` in each."""
    return ceil(panels / columns)


def draw_panels(
    figure: Any,
    panels: Mapping[str, Callable[[Axes], None]],
    *,
    columns: int = MOST_COLUMNS,
    label: str | None = None,
    kept: str = "visual tokens kept",
) -> list[Axes]:
    """Draw the function of each title into a panel of its own, all over one axis of tokens kept.

    A `label` names an axis that the panels share too. `figure` may be a part of one.
    """
    lines = lines_of(len(panels), columns)
    shared = {"sharex": True, "sharey": label is not None, "squeeze": False}
    axes: list[Axes] = list(figure.subplots(lines, columns, **shared).flatten())
    for place, (one, (title, draw)) in enumerate(zip(axes, panels.items(), strict=False)):
        draw(one)
        one.set_title(title, parse_math=False)
        one.tick_params(labelbottom=True)  # also above an empty place
        if label is not None and place % columns == 0:
            one.set_ylabel(label)
        if place >= len(panels) - columns:
            one.set_xlabel(kept)
    for one in axes[len(panels) :]:
        one.set_visible(False)
    return axes


def add_legend(figure: Any, axes: Axes, *, last: Collection[str] = ()) -> None:
    """Add one legend for all panels, below them, in rows of similar length, `last` at its end.

    `figure` may be a subfigure, and `last` are names.
    """
    named = sorted(
        zip(*axes.get_legend_handles_labels(), strict=True), key=lambda entry: entry[1] in last
    )
    longest = max(len(name) for _, name in named)
    most = min(MOST_NAMES, max(1, LEGEND_LETTERS // (longest + KEY_LETTERS)))
    columns = ceil(len(named) / ceil(len(named) / most))
    figure.legend(*zip(*named, strict=True), loc="outside lower center", ncols=columns)


def set_budget_axis(
    axes: Axes,
    *,
    budgets: Collection[float],
    kept: Collection[float],
    text: Callable[[float], str] = lambda share: f"{100 * share:.3g}%",
) -> None:
    """Make the x axis logarithmic, with ticks at `budgets` and room for all of `kept`."""
    shown = [*kept, *budgets]
    axes.set_xscale("log")
    axes.set_xlim(min(shown) / 1.15, max(shown) * 1.15)
    axes.xaxis.set_major_locator(FixedLocator(spaced(budgets)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))


def spaced(budgets: Collection[float]) -> list[float]:
    """Return the budgets whose labels have room beside each other, the largest first."""
    room = log(max(budgets) / min(budgets)) / MOST_TICKS
    chosen: list[float] = []
    for budget in sorted(budgets, reverse=True):
        if not chosen or log(chosen[-1] / budget) >= room:
            chosen.append(budget)
    return chosen
