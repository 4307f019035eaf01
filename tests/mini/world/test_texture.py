from __future__ import annotations

import numpy as np
import pytest

from evscli.mini.world.scene import COLORS
from evscli.mini.world.texture import (
    CLEAR_OF,
    PATTERNS,
    SMALLEST_PHOTO,
    background,
    hang,
    palette,
    photo,
)

SIZE = (53, 70)
NAMES = tuple(COLORS)


@pytest.mark.parametrize("pattern", sorted(set(PATTERNS), key=lambda each: each.__name__))
@pytest.mark.parametrize("size", [SIZE, (48, 160), (9, 9)])
def test_a_pattern_fills_its_size_with_values_from_0_to_1(pattern, size) -> None:
    for seed in range(5):
        values = pattern(np.random.default_rng(seed), size)
        assert values.shape == size
        assert values.dtype == np.float32
        assert values.min() >= 0
        assert values.max() <= 1


@pytest.mark.parametrize("pattern", sorted(set(PATTERNS), key=lambda each: each.__name__))
def test_a_pattern_has_structure(pattern) -> None:
    assert pattern(np.random.default_rng(3), SIZE).std() > 0.02


def test_a_background_is_a_picture() -> None:
    for seed in range(20):
        picture = background(np.random.default_rng(seed), SIZE, ["red"])
        assert picture.shape == (*SIZE, 3)
        assert picture.dtype == np.float32
        assert picture.min() >= 0
        assert picture.max() <= 255


def test_a_background_follows_from_the_generator() -> None:
    one, same, other = (background(np.random.default_rng(s), SIZE, ["red"]) for s in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_the_palette_is_clear_of_a_few_colors() -> None:
    for seed in range(100):
        rng = np.random.default_rng(seed)
        colors = [str(name) for name in rng.permutation(NAMES)[:3]]
        first = palette(rng, colors)[0]
        assert min(np.linalg.norm(first - np.array(COLORS[c])) for c in colors) >= CLEAR_OF


def test_the_palette_is_as_clear_of_all_colors_as_it_can_be() -> None:
    colors = np.array(list(COLORS.values()), np.float32)
    clear = [
        np.linalg.norm(palette(np.random.default_rng(seed), NAMES)[0] - colors, axis=1).min()
        for seed in range(100)
    ]
    blind = [
        np.linalg.norm(palette(np.random.default_rng(seed), [])[0] - colors, axis=1).min()
        for seed in range(100)
    ]
    assert min(clear) > 50
    assert np.mean(clear) > np.mean(blind) + 10


def test_things_can_be_told_from_the_background() -> None:
    like = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        colors = [str(name) for name in rng.permutation(NAMES)[:3]]
        picture = background(rng, (48, 48), colors).reshape(-1, 3)
        like += [
            (np.linalg.norm(picture - np.array(COLORS[c]), axis=1) < 50).mean() for c in colors
        ]
    assert max(like) < 0.5
    assert np.mean(like) < 0.02


@pytest.mark.parametrize("size", [SIZE, (144, 256), (1, 3)])
def test_a_photograph_is_a_picture_of_several_colors(size) -> None:
    for seed in range(10):
        picture = photo(np.random.default_rng(seed), size, ["red", "blue"])
        assert picture.shape == (*size, 3)
        assert picture.dtype == np.float32
        assert 0 <= picture.min() <= picture.max() <= 255
        assert size == (1, 3) or picture.std((0, 1)).max() > 4


@pytest.mark.slow
def test_what_hangs_on_a_wall_is_larger_than_anything_asked_about() -> None:
    for seed in range(40):
        blank = np.zeros((300, 400, 3), np.float32)
        hang(np.random.default_rng(seed), blank, [])
        covered = blank.any(2)
        rows, columns = covered.any(1), covered.any(0)
        assert covered.any()
        assert rows.sum() >= SMALLEST_PHOTO / 2 - 1  # a picture may hang half outside
        assert columns.sum() >= SMALLEST_PHOTO / 2 - 1
