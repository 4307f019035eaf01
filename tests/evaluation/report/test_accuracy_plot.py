from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from PIL import Image

from evscli.evaluation.report.accuracy import draw_figure
from evscli.evaluation.report.plots import (
    PLOT_FORMS,
    PlotForm,
    look_of,
    own_style,
    render,
    spaced,
)
from evscli.evaluation.statistics.tallies import Tally, tally
from tests.evaluation.answers import answers
from tests.store.processes import finish, start

RIGHT = {f"v{i}": [i % 3 > 0] for i in range(12)}


def make_tallies(*kinds: str, methods: tuple[str, ...] = ("evs", "vcast")) -> list[Tally]:
    made = answers(RIGHT, method="none", budget=1.0)
    for method in (*methods, "random"):
        for budget in (0.1, 0.25, 0.5):
            made += answers(RIGHT, method=method, budget=budget)
    return tally([replace(a, kind=kind) for kind in kinds for a in made])


def plot_files() -> dict[PlotForm, bytes]:
    return render(lambda: draw_figure(make_tallies("a", "b"), "t"), *PLOT_FORMS)


@pytest.fixture(scope="module")
def settings() -> dict[str, object]:
    """The settings of matplotlib before anything is drawn."""
    return dict(mpl.rcParams)


@pytest.fixture(scope="module")
def files(settings: dict[str, object]) -> dict[PlotForm, bytes]:  # noqa: ARG001
    return plot_files()


def draw(tallies: list[Tally]) -> Figure:
    with own_style():
        return draw_figure(tallies, "title")


@pytest.mark.slow
def test_there_is_a_panel_for_all_questions_and_each_of_several_kinds() -> None:
    figure = draw(make_tallies("color", "count", "when", methods=()))
    titles = [axes.get_title() for axes in figure.axes if axes.get_visible()]
    assert titles == ["all questions", "color", "count", "when"]
    assert len(draw(make_tallies("question", methods=())).axes) == 1


@pytest.mark.slow
def test_a_name_with_dollars_is_shown_as_it_is() -> None:
    with own_style():
        figure = draw_figure(make_tallies("$5$ \\frac", "$x_{$", methods=()), "$\\frac$")
    assert not any(axes.title.get_parse_math() for axes in figure.axes)
    assert render(lambda: figure, "svg")


def test_the_legend_names_every_line_once() -> None:
    (legend,) = draw(make_tallies("color", "count")).legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["evs", "vcast", "random", "unpruned", "guessing"]


def test_points_stand_at_the_tokens_really_kept() -> None:
    tallies = [
        replace(row, kept_fraction=0.3) if (row.method, row.budget) == ("evs", 0.1) else row
        for row in make_tallies("question")
    ]
    (axes,) = draw(tallies).axes
    (line,) = (c for c in axes.containers if c.get_label() == "evs")
    assert list(line.lines[0].get_xdata()) == [0.25, 0.3, 0.5]


def test_error_bars_are_the_intervals() -> None:
    tallies = make_tallies("question")
    (axes,) = draw(tallies).axes
    (line,) = (c for c in axes.containers if c.get_label() == "vcast")
    spans = [segment[:, 1].tolist() for segment in line.lines[2][0].get_segments()]
    expected = [[row.low, row.high] for row in tallies if row.method == "vcast"]
    assert spans == [pytest.approx(span) for span in expected]


def plot_elsewhere(folder: str) -> None:
    """Draw with a person's own settings, in a process with another seed of hashes."""
    mpl.rcParams["lines.linewidth"] = 9
    mpl.rcParams["savefig.dpi"] = 30
    for form, file in plot_files().items():
        Path(folder, form).write_bytes(file)
    assert "matplotlib.pyplot" not in sys.modules


@pytest.mark.slow
def test_the_same_tallies_give_the_same_bytes_in_another_process(
    files: dict[PlotForm, bytes], tmp_path: Path
) -> None:
    finish(start(plot_elsewhere, str(tmp_path)))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files


def test_no_file_names_a_clock_or_a_release(files: dict[PlotForm, bytes]) -> None:
    png = Image.open(io.BytesIO(files["png"]))
    assert png.width == 1660
    assert set(png.info) <= {"dpi"}
    svg = files["svg"].decode()
    assert "dc:date" not in svg
    assert mpl.__version__ not in svg


@pytest.mark.usefixtures("files")
def test_drawing_leaves_matplotlib_as_it_was(settings: dict[str, object]) -> None:
    assert dict(mpl.rcParams) == settings


def test_two_dozen_methods_look_different() -> None:
    looks = {tuple(look_of(number).values()) for number in range(24)}
    assert len(looks) == 24


def test_labels_of_budgets_have_room() -> None:
    assert spaced([0.1, 0.25, 0.5]) == [0.5, 0.25, 0.1]
    assert spaced([0.5]) == [0.5]
    close = spaced([0.1, 0.45, 0.48, 0.5])
    assert close == [0.5, 0.1]
