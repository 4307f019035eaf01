"""Backgrounds: surfaces of many kinds, bands of them, photographs, or walls that these hang on.

A texture is [H, W, 3] float32, 0 to 255. The patterns of stones, leaves and grass are overlapping
opaque shapes of all sizes, which have the statistics of natural pictures ("dead leaves": Lee,
Mumford and Huang, IJCV 41, 2001).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from evscli.mini.world.scene import COLORS, Floats

Size = tuple[int, int]

CLEAR_OF = 85.0
"""The least distance in RGB of a background's mean colours from those of the things on it."""

SMALLEST_PHOTO = 56
"""The pixels on a side of the smallest picture on a wall, larger than all things asked about."""

DENSITY = 2.2
"""The area of all shapes of a texture, as a multiple of the picture's."""

MOST_SHAPES = 1500
"""The most shapes in one texture."""


def background(rng: Generator, size: Size, colors: Sequence[str]) -> Floats:
    """Draw a background of (height, width) on which things of these colours can be seen."""
    style = rng.random()
    if style < 0.2:
        return photo(rng, size, colors)
    picture = wall(rng, size, colors)
    if style < 0.35:
        hang(rng, picture, colors)
    return picture


def wall(rng: Generator, size: Size, colors: Sequence[str]) -> Floats:
    """Draw one surface, or two or three one below the other."""
    picture = surface(rng, size, palette(rng, colors))
    bands = int(rng.choice([0, 1, 2], p=[0.65, 0.25, 0.1]))
    for horizon in np.sort(rng.uniform(0.2, 0.8, bands)):
        lower = surface(rng, size, palette(rng, colors))
        picture[int(horizon * size[0]) :] = lower[int(horizon * size[0]) :]
    return picture


def photo(rng: Generator, size: Size, colors: Sequence[str]) -> Floats:
    """Draw soft patches of several colours, in light and shade, like a photograph."""
    inks = np.concatenate(
        [palette(rng, colors, vivid=True) for _ in range(int(rng.integers(2, 4)))]
    )
    steps = (64, 24, 10, 4)
    relief = sum(clouds(rng, size, step) / 2**i for i, step in enumerate(steps))
    place = (relief - np.min(relief)) / max(float(np.ptp(relief)), 1e-6) * (len(inks) - 1)
    lower = np.minimum(place.astype(np.int64), len(inks) - 2)
    mix = np.clip((place - lower - 0.5) * rng.uniform(1.5, 8) + 0.5, 0, 1)[..., None]
    picture = inks[lower] * (1 - mix) + inks[lower + 1] * mix
    shade = 1 + rng.uniform(0.1, 0.7) * (clouds(rng, size, 40) - 0.5)
    return np.asarray(np.clip(picture * shade[..., None], 0, 255), np.float32)


def hang(rng: Generator, picture: Floats, colors: Sequence[str]) -> None:
    """Hang framed photographs on a wall, in place."""
    height, width = picture.shape[:2]
    for _ in range(int(rng.integers(1, 5))):
        h, w = (int(rng.uniform(SMALLEST_PHOTO, SMALLEST_PHOTO + side)) for side in (height, width))
        y, x = int(rng.uniform(-h / 2, height - h / 2)), int(rng.uniform(-w / 2, width - w / 2))
        edge = int(rng.integers(1, 6))
        frame, glass = (
            (slice(max(0, y + e), max(0, y + h - e)), slice(max(0, x + e), max(0, x + w - e)))
            for e in (0, edge)
        )
        picture[frame] = palette(rng, colors)[0]
        seen = picture[glass].shape[:2]
        if min(seen) > 0:
            picture[glass] = photo(rng, seen, colors)


def palette(rng: Generator, colors: Sequence[str], *, vivid: bool = False) -> Floats:
    """Draw [2, 3] related colours, clear of those of the things where that can be had."""
    things = np.array([COLORS[color] for color in colors] or [(999, 999, 999)], np.float32)
    tries = any_colors(rng, 24, vivid=vivid)
    clear = np.linalg.norm(tries[:, None] - things[None], axis=-1).min(1)
    good = np.flatnonzero(clear >= CLEAR_OF)
    first = tries[good[0] if len(good) else int(clear.argmax())]
    second = np.clip(first * rng.uniform(0.75, 1.25) + rng.normal(0, 8, 3), 0, 255)
    return np.stack([first, second]).astype(np.float32)


def any_colors(rng: Generator, count: int, *, vivid: bool) -> Floats:
    """Draw [count, 3] colours: mostly muted as of walls, ground and sky, or as of pictures."""
    grey, strength = rng.uniform((30, 0), (225, 70 if vivid else 45), (count, 2)).T
    tint = rng.standard_normal((count, 3))
    tint -= tint.mean(1, keepdims=True)
    return np.asarray(np.clip(grey[:, None] + strength[:, None] * tint, 0, 255), np.float32)


def surface(rng: Generator, size: Size, colors: Floats) -> Floats:
    """Draw a texture of two colours. One of many small shapes has more contrast."""
    texture = PATTERNS[int(rng.integers(len(PATTERNS)))]
    dark, bright = colors
    if texture in SCATTERED:
        dark, bright = dark * rng.uniform(0.25, 0.85), np.minimum(bright * 1.3, 255)
    pattern = texture(rng, size)[..., None]
    picture = dark * (1 - pattern) + bright * pattern
    shade = 1 + rng.uniform(0, 0.25) * (clouds(rng, size, 48) - 0.5)
    grain = rng.uniform(0, 7) * rng.standard_normal((*size, 1), np.float32)
    return np.asarray(np.clip(picture * shade[..., None] + grain, 0, 255), np.float32)


def clouds(rng: Generator, size: Size, step: int) -> Floats:
    """Draw [H, W] smooth noise, 0 to 1, with features of about `step` pixels."""
    small = rng.random((size[0] // step + 2, size[1] // step + 2), np.float32)
    image = Image.fromarray(small).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    return np.asarray(np.clip(np.asarray(image), 0, 1), np.float32)


def plain(rng: Generator, size: Size) -> Floats:
    """Draw [H, W] one slope from one colour to the other."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    angle = rng.uniform(0, 2 * np.pi)
    along = np.cos(angle) * x / size[1] + np.sin(angle) * y / size[0]
    return np.asarray((along - along.min()) / max(np.ptp(along), 1e-6), np.float32)


def noise(rng: Generator, size: Size) -> Floats:
    """Draw [H, W] noise of several sizes, as on grass, clouds or stone."""
    steps = [int(rng.integers(2, 6)), int(rng.integers(8, 20)), 40]
    return np.asarray(sum(clouds(rng, size, step) for step in steps) / len(steps), np.float32)


def gravel(rng: Generator, size: Size) -> Floats:
    """Draw [H, W] spots with hard edges."""
    spots = clouds(rng, size, int(rng.integers(4, 9)))
    return np.asarray(np.clip((spots - 0.5) * 8 + 0.5, 0, 1), np.float32)


def bricks(rng: Generator, size: Size) -> Floats:
    """Draw [H, W] bricks: 1 on the joints, 0 on the bricks."""
    tall = int(rng.integers(7, 20))
    wide = int(tall * rng.uniform(1.6, 3.0))
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    x = x + (y // tall % 2) * (wide // 2)
    return np.asarray((y % tall < 2) | (x % wide < 2), np.float32)


def stripes(rng: Generator, size: Size) -> Floats:
    """Draw [H, W] soft stripes at any angle."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    angle, period = rng.uniform(0, np.pi), rng.uniform(8, 40)
    wave = np.sin((np.cos(angle) * x + np.sin(angle) * y) * 2 * np.pi / period)
    return np.asarray(np.clip(wave * rng.uniform(0.5, 3) + 0.5, 0, 1), np.float32)


def checks(rng: Generator, size: Size) -> Floats:
    """Draw [H, W] a checkerboard."""
    side = int(rng.integers(8, 28))
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    return np.asarray((y // side + x // side) % 2, np.float32)


def stones(rng: Generator, size: Size) -> Floats:
    """Draw rounded stones of one size with dark gaps."""
    radius = rng.uniform(2.5, 7)
    places = _places(rng, size, np.pi * radius**2)
    image, draw = _sheet(size, 0.1)
    for corners, shade in _polygons(rng, places, 7, np.full(len(places), 0.95 * radius), 0.2):
        draw.polygon(corners, fill=shade, outline=0.0)
    return np.asarray(image, np.float32)


def leaves(rng: Generator, size: Size) -> Floats:
    """Draw angular pieces of all sizes, most of them small."""
    radii = np.minimum(1.5 / np.sqrt(rng.uniform(0.0025, 1, MOST_SHAPES)), 0.12 * max(size) + 3)
    places = _places(rng, size, float(np.pi * np.mean(radii**2)))
    image, draw = _sheet(size, 0.5)
    for corners, shade in _polygons(rng, places, 5, 0.85 * radii[: len(places)], 0.5):
        draw.polygon(corners, fill=shade)
    return np.asarray(image, np.float32)


def grass(rng: Generator, size: Size) -> Floats:
    """Draw short strokes in about one direction."""
    length, lean = rng.uniform(5, 14), rng.uniform(0, np.pi)
    image, draw = _sheet(size, 0.3)
    for x, y, turn, shade in _places(rng, size, 2 * length).tolist():
        angle = lean + 0.25 * (turn - np.pi)
        end = (x + length * np.cos(angle), y + length * np.sin(angle))
        draw.line([(x, y), end], fill=shade, width=1 + int(shade > 0.7))
    return np.asarray(image, np.float32)


def _sheet(size: Size, shade: float) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("F", (size[1], size[0]), shade)
    return image, ImageDraw.Draw(image)


def _places(rng: Generator, size: Size, area: float) -> NDArray[np.float64]:
    """Draw [n, 4] places (x, y, turn, shade) of the shapes of an area at the density."""
    count = int(min(MOST_SHAPES, DENSITY * size[0] * size[1] / area + 1))
    high = (size[1] + 4.0, size[0] + 4.0, 2 * np.pi, 1.0)
    return rng.uniform((-4.0, -4.0, 0.0, 0.0), high, (count, 4))


def _polygons(
    rng: Generator,
    places: NDArray[np.float64],
    corners: int,
    radii: NDArray[np.float64],
    spread: float,
) -> Iterator[tuple[list[float], float]]:
    """Yield corners as x, y, x, y, ... of irregular polygons, and their shades."""
    angles = places[:, 2:3] + np.arange(corners) * 2 * np.pi / corners
    far = radii[:, None] * rng.uniform(1 - spread, 1 + spread, angles.shape)
    points = places[:, None, :2] + far[..., None] * np.stack([np.cos(angles), np.sin(angles)], -1)
    yield from zip(points.reshape(len(places), -1).tolist(), places[:, 3].tolist(), strict=True)


SCATTERED = (stones, grass, leaves)
PATTERNS = (plain, noise, noise, gravel, bricks, stripes, checks, *SCATTERED)
