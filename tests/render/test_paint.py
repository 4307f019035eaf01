"""What is drawn on a picture, pixel for pixel."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from evscli.render.colours import BOTH, ONLY_A, ONLY_B, OUTLINE, Scale, heat_colours
from evscli.render.paint import DARK, DIM, TINTED, Bar, CellGrid, against_painter, mask_painter
from tests.render.stores import checkerboard

GRID = (2, 3, 4)
LIGHT = (210, 180, 150)
GREY = round(0.299 * 210 + 0.587 * 180 + 0.114 * 150)


def flat(size: tuple[int, int]) -> Image.Image:
    return Image.new("RGB", size, LIGHT)


def middles(size: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """(h, w, y, x) of a pixel near the middle of every cell of a picture (width, height)."""
    width, height = size
    _, h, w = GRID
    return [
        (i, j, round((i + 0.5) * height / h), round((j + 0.5) * width / w))
        for i in range(h)
        for j in range(w)
    ]


@pytest.mark.parametrize("size", [(128, 96), (97, 61), (53, 171)])
def test_kept_cells_keep_their_very_pixels_and_dropped_ones_are_dim(size: tuple[int, int]) -> None:
    mask = checkerboard(GRID)
    painter = mask_painter(mask)
    for t in range(2):
        pixels = np.asarray(painter.paint(flat(size), t))
        for h, w, y, x in middles(size):
            expected = LIGHT if mask[t, h, w] else (round(DIM * GREY),) * 3
            assert tuple(pixels[y, x]) == expected, (t, h, w)


def test_every_pixel_is_a_cell_or_a_line() -> None:
    mask = checkerboard(GRID)
    size = (128, 96)
    pixels = np.asarray(mask_painter(mask).paint(flat(size), 0))
    grid = CellGrid(cells=GRID[1:], size=(96, 128))
    drawn = grid.lines | grid.outline(mask[0], 1)
    kept = grid.spread(mask[0])
    assert (pixels[kept & ~drawn] == LIGHT).all()
    assert (pixels[~kept & ~drawn] == round(DIM * GREY)).all()
    assert (pixels[grid.outline(mask[0], 1)] == OUTLINE).all()


def test_small_cells_have_no_lines() -> None:
    mask = np.ones((1, 30, 30), dtype=bool)
    pixels = np.asarray(mask_painter(mask).paint(flat((120, 120)), 0))
    assert (pixels == LIGHT).all()


def test_scores_are_a_heatmap_clipped_at_percentiles() -> None:
    scores = np.arange(24, dtype=np.float64).reshape(GRID)
    scores[1, 2, 3] = 1e6
    mask = np.ones(GRID, dtype=bool)
    mask[1, 0] = False
    painter = mask_painter(mask, scores)
    assert painter.scale is not None
    assert painter.scale.high < 1e6
    pixels = np.asarray(painter.paint(flat((128, 96)), 1)).astype(int)
    grey = np.array([GREY] * 3)
    for h, w, y, x in middles((128, 96)):
        share = painter.scale(scores[1, h, w][None])
        expected = 0.35 * grey + 0.65 * heat_colours(share)[0]
        expected = expected if mask[1, h, w] else DARK * expected
        assert np.abs(pixels[y, x] - expected).max() <= 1.5


def test_a_scale_of_equal_or_missing_scores_is_even() -> None:
    assert Scale.of(np.full((3, 3), 3.0))(np.array([3.0])).tolist() == [0.5]
    assert Scale.of(np.full((3, 3), np.nan))(np.array([0.25])).tolist() == [0.25]


def test_frames_that_a_rule_keeps_whole_do_not_stretch_the_scale() -> None:
    scores = np.random.default_rng(0).random(GRID)
    scores[0] = 255.0
    assert Scale.of(scores).high <= 1.0


def test_two_selections_show_who_keeps_what() -> None:
    first, second = np.zeros((2, *GRID), dtype=bool)
    first[0, 0, :2] = True
    second[0, 0, 1:3] = True
    painter = against_painter(first, second)
    pixels = np.asarray(painter.paint(flat((128, 96)), 0)).astype(int)
    row = [pixels[16, 16 + 32 * w] for w in range(4)]
    tint = [(1 - TINTED) * GREY + TINTED * np.array(colour) for colour in (ONLY_A, ONLY_B)]
    assert np.abs(row[0] - tint[0]).max() <= 1.5
    assert tuple(row[1]) == LIGHT
    assert np.abs(row[2] - tint[1]).max() <= 1.5
    assert tuple(row[3]) == (round(DIM * GREY),) * 3
    assert painter.bars(0) == [Bar(1, BOTH), Bar(1, ONLY_A), Bar(1, ONLY_B)]
    assert list(painter.captions) == ["2 | 2 · overlap 33%", "nothing kept"]
