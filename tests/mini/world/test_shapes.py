from __future__ import annotations

import numpy as np
import pytest

from evscli.mini.world.scene import SHAPES
from evscli.mini.world.shapes import RING_HOLE, coverage

RADIUS = 20.0


def covered(shape: str, turn: float = 0.0, radius: float = RADIUS) -> np.ndarray:
    """[64, 64] how much of each pixel is covered by a shape in the middle."""
    side = np.arange(64, dtype=np.float32) + 0.5 - 32
    return coverage(shape, radius, turn, *np.meshgrid(side, side))


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_in_its_circle_and_nowhere_else(shape: str) -> None:
    alpha = covered(shape)
    side = np.arange(64) + 0.5 - 32
    far = np.hypot(*np.meshgrid(side, side)) > 1.25 * RADIUS
    assert alpha.min() == 0
    assert alpha.max() == 1
    assert not alpha[far].any()


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        ("circle", np.pi),
        ("ring", np.pi * (1 - RING_HOLE**2)),
        ("square", (2 * 0.86) ** 2),
        ("cross", 4 * (1 - 0.34) * 0.68 + 0.68**2),
        ("triangle", 0.75 * np.sqrt(3) * 1.12**2),
    ],
)
def test_the_area_is_that_of_the_figure(shape: str, area: float) -> None:
    assert covered(shape).sum() == pytest.approx(area * RADIUS**2, rel=0.03)


@pytest.mark.parametrize("one", SHAPES)
def test_no_two_shapes_look_alike_however_they_are_turned(one: str) -> None:
    turns = np.linspace(-0.3, 0.3, 5)
    mine = covered(one, 0.0)
    for other in SHAPES:
        if other != one:
            unlike = min(np.abs(mine - covered(other, turn)).sum() for turn in turns)
            assert unlike > 0.15 * np.maximum(mine, covered(other)).sum(), other


@pytest.mark.parametrize("shape", SHAPES)
def test_edges_are_smooth(shape: str) -> None:
    alpha = covered(shape, turn=0.1)
    assert ((alpha > 0.05) & (alpha < 0.95)).any()


def test_turning_turns_clockwise_on_the_screen() -> None:
    quarter = covered("triangle", np.pi / 2)
    assert np.abs(quarter - np.rot90(covered("triangle"), -1)).mean() < 0.01


def test_only_the_ring_has_a_hole() -> None:
    middles = {shape: covered(shape)[32, 32] for shape in SHAPES}
    assert middles == {shape: float(shape != "ring") for shape in SHAPES}
