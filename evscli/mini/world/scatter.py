"""Textures of many small overlapping shapes, like gravel, grass and leaves.

Each is [H, W] float32 from 0 to 1. Overlapping opaque shapes of all sizes have the statistics of
natural pictures ("dead leaves": Lee, Mumford and Huang, IJCV 41, 2001).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Floats = NDArray[np.float32]
Size = tuple[int, int]

DENSITY = 2.2
"""The area of all shapes of a texture, as a multiple of the picture's."""

MOST = 1500
"""The most shapes in one texture."""


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
    radii = np.minimum(1.5 / np.sqrt(rng.uniform(0.0025, 1, MOST)), 0.12 * max(size) + 3)
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
    count = int(min(MOST, DENSITY * size[0] * size[1] / area + 1))
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
