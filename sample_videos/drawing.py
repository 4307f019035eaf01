"""Draws scenes: photographs, textured balls, lights, and a camera that looks at them.

Knows nothing about clips or files. A canvas is [H, W, 3] float32, 0 to 255; points and boxes are
(x, y) and [x0, y0, x1, y1] in its pixels, x1 and y1 exclusive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

Canvas = NDArray[np.float32]
Picture = NDArray[np.uint8]
Box = tuple[float, float, float, float]

LIGHT = np.array([-0.45, -0.65, 0.61], np.float32)
"""Direction the light comes from: left, above, before the picture."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Ball:
    """A ball wrapped in a photograph."""

    name: str
    texture: Canvas
    radius: float


def photo(name: str) -> Canvas:
    """A photograph of scikit-image's wheel in colour."""
    picture = np.asarray(getattr(data, name)(), np.float32)
    return np.stack([picture] * 3, axis=-1) if picture.ndim == 2 else picture[..., :3]


def tinted(picture: Canvas, dark: tuple[int, int, int], light: tuple[int, int, int]) -> Canvas:
    """A grey picture between two colours, its contrast stretched."""
    grey = picture.mean(axis=-1, keepdims=True)
    low, high = np.percentile(grey, (1, 99))
    share = np.clip((grey - low) / (high - low), 0, 1)
    return (np.array(dark, np.float32) * (1 - share) + np.array(light, np.float32) * share).astype(
        np.float32
    )


def resized(picture: Canvas, width: int, height: int) -> Canvas:
    """Filtered to another size."""
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS), np.float32)


def tiled(picture: Canvas, width: int, height: int) -> Canvas:
    """Repeated by mirroring, which shows no seams, and cut to size."""
    pair = np.concatenate([picture, picture[:, ::-1]], axis=1)
    four = np.concatenate([pair, pair[::-1]], axis=0)
    down, across = -(-height // four.shape[0]), -(-width // four.shape[1])
    return np.tile(four, (down, across, 1))[:height, :width].copy()


def draw_ball(canvas: Canvas, ball: Ball, x: float, y: float, *, roll: float, floor: float) -> Box:
    """Draw a ball around (x, y), turned by `roll` radians, over its shadow at height `floor`."""
    _draw_shadow(canvas, ball.radius, x, y, floor)
    reach = int(ball.radius) + 2
    top, left = max(0, int(y) - reach), max(0, int(x) - reach)
    area = canvas[top : int(y) + reach + 1, left : int(x) + reach + 1]
    if area.size:
        rows, columns = np.mgrid[top : top + area.shape[0], left : left + area.shape[1]]
        across, down = (columns - x) / ball.radius, (rows - y) / ball.radius
        distance = np.hypot(across, down)
        cover = np.clip((1 - distance) * ball.radius + 0.5, 0, 1)[..., None]
        area += cover * (_ball_colours(ball, across, down, distance, roll) - area)
    return x - ball.radius, y - ball.radius, x + ball.radius, y + ball.radius


def _ball_colours(
    ball: Ball,
    across: NDArray[np.float64],
    down: NDArray[np.float64],
    distance: NDArray[np.float64],
    roll: float,
) -> NDArray[np.float64]:
    shrink = np.minimum(1, 0.999 / np.maximum(distance, 1e-6))
    nx, ny = across * shrink, down * shrink
    nz = np.sqrt(np.maximum(0, 1 - nx**2 - ny**2))
    # Rolling turns the ball about the line of sight, and a little about the upright axis.
    turned_x, turned_y = (
        nx * np.cos(roll) + ny * np.sin(roll),
        ny * np.cos(roll) - nx * np.sin(roll),
    )
    height, width = ball.texture.shape[:2]
    u = (np.arctan2(turned_x, nz) / np.pi + 0.5) * (width - 1)
    v = (np.arcsin(np.clip(turned_y, -1, 1)) / np.pi + 0.5) * (height - 1)
    colours = _bilinear(ball.texture, u, v)
    lit = np.clip(nx * LIGHT[0] + ny * LIGHT[1] + nz * LIGHT[2], 0, 1)[..., None]
    return colours * (0.35 + 0.8 * lit) + 140 * lit**24


def _bilinear(
    picture: Canvas, u: NDArray[np.float64], v: NDArray[np.float64]
) -> NDArray[np.float64]:
    left, top = np.floor(u).astype(int), np.floor(v).astype(int)
    right = np.minimum(left + 1, picture.shape[1] - 1)
    below = np.minimum(top + 1, picture.shape[0] - 1)
    a, b = (u - left)[..., None], (v - top)[..., None]
    upper = picture[top, left] * (1 - a) + picture[top, right] * a
    lower = picture[below, left] * (1 - a) + picture[below, right] * a
    return np.asarray(upper * (1 - b) + lower * b)


def _draw_shadow(canvas: Canvas, radius: float, x: float, y: float, floor: float) -> None:
    """Darker and smaller the nearer the ball is to the floor."""
    lift = max(0.0, floor - y - radius) / radius
    rows, columns = np.mgrid[: canvas.shape[0], : canvas.shape[1]]
    across = (columns - x - 0.35 * radius * (1 + lift)) / (radius * (1.05 + 0.2 * lift))
    down = (rows - floor) / (radius * (0.3 + 0.1 * lift))
    shade = 0.6 / (1 + lift) * np.exp(-((across**2 + down**2) ** 1.5))
    canvas *= (1 - shade[..., None]).astype(np.float32)


def draw_light(canvas: Canvas, x: float, y: float, radius: float, *, glow: float) -> None:
    """A glass lamp around (x, y), dark at `glow` 0, shining at 1 as far as 2.4 radii."""
    rows, columns = np.mgrid[: canvas.shape[0], : canvas.shape[1]]
    distance = np.hypot(columns - x, rows - y)
    cover = np.clip(radius - distance + 0.5, 0, 1)[..., None]
    glass = np.array([70, 44, 30], np.float32) * (1.4 - distance / (2 * radius))[..., None]
    shining = np.array([255, 244, 190], np.float32)
    canvas += (cover * ((1 - glow) * glass + glow * shining - canvas)).astype(np.float32)
    halo = np.exp(-((distance / (1.6 * radius)) ** 2))[..., None]
    canvas += (glow * halo * np.array([150, 110, 30], np.float32)).astype(np.float32)


def look(canvas: Canvas, camera: Box, size: tuple[int, int]) -> Canvas:
    """What a camera that frames the box `camera` of the canvas sees, as (height, width) pixels."""
    image = Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))
    seen = image.resize((size[1], size[0]), Image.Resampling.LANCZOS, box=camera)
    return np.asarray(seen, np.float32)


def where(box: Box, camera: Box, size: tuple[int, int]) -> Box:
    """A box of the canvas in pixels of what the camera sees."""
    across, down = size[1] / (camera[2] - camera[0]), size[0] / (camera[3] - camera[1])
    return (
        (box[0] - camera[0]) * across,
        (box[1] - camera[1]) * down,
        (box[2] - camera[0]) * across,
        (box[3] - camera[1]) * down,
    )


def filmed(canvas: Canvas, number: int) -> Picture:
    """The canvas as a sensor records it: darker corners, a little noise of its own per frame."""
    height, width = canvas.shape[:2]
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    corners = 1 - 0.13 * (rows**2 + columns**2)
    noise = np.random.default_rng(number).normal(0, 1.3, (height, width, 1))
    return np.clip(canvas * corners[..., None] + noise, 0, 255).astype(np.uint8)
