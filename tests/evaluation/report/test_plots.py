"""Files of plots repeat."""

from __future__ import annotations

from matplotlib.figure import Figure

from evscli.evaluation.report.plots import DIGITS, WIDTH, add_legend, settle


def test_positions_are_rounded_because_the_solver_of_layouts_is_not_exact() -> None:
    figure = Figure(layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=[2, 1])
    for axes in (*upper.subplots(2, 3).flat, lower.subplots()):
        axes.set_title("a title")
    settle(figure)
    boxes = [axes.get_position() for axes in figure.get_axes()]
    boxes += [part.bbox_relative for part in (upper, lower)]
    for box in boxes:
        assert (box.get_points() == box.get_points().round(DIGITS)).all()
    before = [axes.get_position().bounds for axes in figure.get_axes()]
    figure.draw_without_rendering()
    assert [axes.get_position().bounds for axes in figure.get_axes()] == before


def test_a_legend_of_long_names_stays_inside_the_figure() -> None:
    figure = Figure(figsize=(WIDTH, 4), layout="constrained")
    axes = figure.subplots()
    for number in range(14):
        axes.plot([0, 1], label=f"surprise num_frames={number + 10}")
    add_legend(figure, axes)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    box, whole = legend.get_window_extent(), figure.bbox
    assert box.x0 >= whole.x0
    assert box.x1 <= whole.x1
