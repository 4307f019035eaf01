"""Cells on pixels: every pixel belongs to the cell that its centre lies in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evscli.render.paint import CellGrid

sides = st.integers(1, 12)


@given(h=sides, w=sides, height=st.integers(1, 90), width=st.integers(1, 90))
def test_every_pixel_is_in_the_cell_of_its_centre(h: int, w: int, height: int, width: int) -> None:
    grid = CellGrid(cells=(h, w), size=(height, width))
    for y in range(height):
        assert grid.rows[y] == int((y + 0.5) / height * h)
    assert grid.columns.max() <= w - 1
    assert (np.diff(grid.columns) >= 0).all()


@pytest.mark.parametrize(("cell", "size"), [(28, (252, 448)), (32, (288, 512)), (42, (378, 378))])
def test_on_the_resized_picture_cells_are_square(cell: int, size: tuple[int, int]) -> None:
    grid = CellGrid(cells=(size[0] // cell, size[1] // cell), size=size)
    assert (grid.rows == np.arange(size[0]) // cell).all()
    assert (grid.columns == np.arange(size[1]) // cell).all()


def test_values_are_spread_over_their_pixels() -> None:
    grid = CellGrid(cells=(2, 3), size=(4, 7))
    values = np.arange(6).reshape(2, 3)
    assert grid.spread(values).tolist() == [[0, 0, 1, 1, 1, 2, 2]] * 2 + [[3, 3, 4, 4, 4, 5, 5]] * 2


def test_lines_are_where_a_cell_begins() -> None:
    grid = CellGrid(cells=(2, 2), size=(4, 4))
    assert grid.lines.tolist() == [
        [False, False, True, False],
        [False, False, True, False],
        [True, True, True, True],
        [False, False, True, False],
    ]


def test_an_outline_is_inside_what_it_surrounds_and_not_at_the_edge_of_the_picture() -> None:
    grid = CellGrid(cells=(2, 2), size=(8, 8))
    inside = np.array([[True, False], [False, False]])
    border = grid.outline(inside, 1)
    assert border.sum() == 7
    assert border[3, :4].all()
    assert border[:4, 3].all()
    assert not border[0, 0]
    assert grid.outline(inside, 2).sum() == 12
    assert not grid.outline(np.ones((2, 2), dtype=bool), 1).any()
