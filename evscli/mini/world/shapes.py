"""The share of each pixel that a shape covers."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

ANGLES = 720
RING_HOLE = 0.5
"""The radius of a ring's hole, as a share of its own."""


def coverage(shape: str, radius: float, turn: float, dx: Floats, dy: Floats) -> Floats:
    """Return the share of pixels at (dx, dy) [h, w] from the centre that is covered, 0 to 1."""
    distance = np.hypot(dx, dy)
    inside: Floats = np.clip(radius * _edge(shape, turn, dx, dy) - distance + 0.5, 0, 1)
    if shape == "ring":
        inside = inside * np.clip(distance - RING_HOLE * radius + 0.5, 0, 1)
    return inside


def _edge(shape: str, turn: float, dx: Floats, dy: Floats) -> Floats | float:
    """Return the outline's distance in the direction of each pixel, for a shape of radius 1."""
    if shape in ("circle", "ring"):
        return 1.0
    angle = (np.arctan2(dy, dx) - turn) / (2 * np.pi)
    edge: Floats = _outline(shape)[(angle * ANGLES).astype(np.int64) % ANGLES]
    return edge


@lru_cache
def _outline(shape: str) -> Floats:
    """Return [ANGLES] distances of a polygon's outline from its centre in every direction."""
    corners = _corners(shape)
    angles = np.arange(ANGLES) * 2 * np.pi / ANGLES
    ray = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    start, side = corners, np.roll(corners, -1, axis=0) - corners
    # The ray t * r meets the side a + s * d where cross(r, d) t = cross(a, d) and 0 <= s <= 1.
    across = _cross(ray[:, None], side[None])
    safe = np.where(np.abs(across) < 1e-9, 1e-9, across)
    t = _cross(start, side)[None] / safe
    s = _cross(start[None], ray[:, None]) / safe
    hit = (t > 0) & (s >= -1e-6) & (s <= 1 + 1e-6)
    return np.asarray(np.where(hit, t, np.inf).min(1), np.float32)


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    product: NDArray[np.float64] = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return product


def _corners(shape: str) -> NDArray[np.float64]:
    """Return [n, 2] corners of a polygon about the origin, y downwards."""
    if shape == "square":
        return np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * 0.86
    if shape == "cross":
        a, b = 1.0, 0.34
        quarter = [(b, -b), (a, -b), (a, b), (b, b)]
        turns = [(1, 0), (0, 1), (-1, 0), (0, -1)]
        return np.array([(x * c - y * s, x * s + y * c) for c, s in turns for x, y in quarter])
    points, inner = (3, 0.5) if shape == "triangle" else (5, 0.42)
    angles = -np.pi / 2 + np.arange(2 * points) * np.pi / points
    far = np.where(np.arange(2 * points) % 2 == 0, 1.12, 1.12 * inner)
    return np.stack([far * np.cos(angles), far * np.sin(angles)], axis=1)
