"""Places, balls and movements that the sample clips are put together from."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi, sin
from typing import NamedTuple

import numpy as np

from sample_videos.drawing import Ball, Box, Canvas, draw_ball, photo, resized, tiled, tinted

Placed = tuple[str, Box]
"""An object's name and where it is on the canvas."""


class Camera(NamedTuple):
    """At `time` seconds the camera frames `width` pixels of the canvas around (x, y)."""

    time: float
    x: float
    y: float
    width: float


def ball_of(kind: str, radius: float) -> Ball:
    """A ball wrapped in the retina's red, the cat's face or a field of galaxies."""
    textures = {
        "red": photo("retina")[350:1060, 300:1010],
        "cat": photo("chelsea")[20:280, 90:350],
        "star": 1.3 * photo("hubble_deep_field")[200:500, 300:600] + 25,
    }
    return Ball(name=f"{kind} ball", texture=resized(textures[kind], 128, 128), radius=radius)


def yard(height: int, width: int) -> Canvas:
    """Gravel before a brick wall with grass at its foot."""
    wall = np.rot90(tinted(photo("brick"), (96, 46, 34), (205, 190, 172)))
    ground = tinted(photo("gravel"), (62, 56, 50), (196, 186, 170))
    foot = int(0.46 * height)
    canvas = np.empty((height, width, 3), np.float32)
    # One piece each: courses of bricks are not level, and repeated they would bend.
    canvas[:foot] = resized(wall, width, width)[-foot:]
    canvas[foot:] = resized(ground, width, width)[: height - foot]
    # Light falls off towards the wall's foot and comes back on the ground.
    distance = np.abs(np.arange(height) - foot) / height
    canvas *= (0.72 + 0.5 * distance).astype(np.float32)[:, None, None]
    _grow_grass(canvas, foot)
    return canvas


def _grow_grass(canvas: Canvas, foot: int) -> None:
    """Blades of uneven length along the line where wall and ground meet."""
    width = canvas.shape[1]
    blades = resized(tinted(photo("grass"), (22, 40, 12), (132, 164, 70)), 300, 300)
    strip = tiled(blades, width, 22)
    noise = np.random.default_rng(5).uniform(0, 9, width)
    length = 7 + np.convolve(noise, np.ones(3) / 3, mode="same")
    rows = np.arange(22)[:, None]
    cover = np.clip(rows - (16 - length), 0, 1) * np.clip(21 - rows, 0, 1)
    area = canvas[foot - 16 : foot + 6]
    area += (cover[..., None] * (strip - area)).astype(np.float32)


def meadow(height: int, width: int) -> Canvas:
    """Grass from above, brighter at the top left."""
    grass = tinted(photo("grass"), (26, 48, 16), (158, 186, 92))
    canvas = tiled(resized(grass, 420, 420), width, height)
    down, across = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return np.asarray(canvas * (1.12 - 0.2 * (down + across))[..., None], np.float32)


def gallery() -> tuple[Canvas, list[Placed]]:
    """A long wall with four framed photographs."""
    rough_cast = tinted(photo("gravel"), (150, 146, 136), (218, 214, 204))
    canvas = tiled(resized(rough_cast, 560, 560), 2300, 680)
    wood = resized(photo("coffee")[150:390, 490:600], 220, 480)
    places = [
        ("astronaut", 150, 110, 340),
        ("coffee", 600, 150, 290),
        ("chelsea", 1150, 120, 320),
        ("rocket", 1740, 150, 280),
    ]
    return canvas, [_hang(canvas, wood, *place) for place in places]


def _hang(canvas: Canvas, wood: Canvas, name: str, left: int, top: int, height: int) -> Placed:
    """Put a photograph with a wooden frame and its shadow on the wall."""
    picture = photo(name)
    picture = resized(picture, round(picture.shape[1] * height / picture.shape[0]), height)
    border = 16
    bottom, right = top + height + 2 * border, left + picture.shape[1] + 2 * border
    rows, columns = np.mgrid[: canvas.shape[0], : canvas.shape[1]]
    beside = np.maximum(np.abs(columns - (left + right) / 2 - 8) - (right - left) / 2, 0)
    below = np.maximum(np.abs(rows - (top + bottom) / 2 - 12) - (bottom - top) / 2, 0)
    canvas *= (1 - 0.55 * np.exp(-np.hypot(beside, below) / 9)).astype(np.float32)[..., None]
    canvas[top:bottom, left:right] = tiled(wood, right - left, bottom - top)
    canvas[top : top + 3, left:right] *= 1.35
    canvas[bottom - 3 : bottom, left:right] *= 0.55
    canvas[top + border : bottom - border, left + border : right - border] = picture
    return f"photograph of {name}", (left, top, right, bottom)


def rolling(canvas: Canvas, ball: Ball, x: float, floor: float) -> Placed:
    """Draw a ball that has rolled to x on the floor at height `floor`."""
    y = floor - ball.radius
    return ball.name, draw_ball(canvas, ball, x, y, roll=x / ball.radius, floor=floor)


def bouncing(canvas: Canvas, ball: Ball, x: float, floor: float, time: float) -> Placed:
    """Draw a ball that bounces 60 pixels high, once in 1.1 seconds."""
    phase = time / 1.1 % 1
    y = floor - ball.radius - 240 * phase * (1 - phase)
    return ball.name, draw_ball(canvas, ball, x, y, roll=-1.5 * time, floor=floor)


def pulse(number: int, lit: range) -> float:
    """1 while the frame number is within `lit`, with one softer frame at either end."""
    if number not in lit:
        return 0.0
    return 0.6 if number in (lit[0], lit[-1]) else 1.0


def ease(time: float, start: float, end: float, before: float, after: float) -> float:
    """From one value to another between two times, without a jolt."""
    share = min(1.0, max(0.0, (time - start) / (end - start)))
    return before + (after - before) * share * share * (3 - 2 * share)


def along(path: Sequence[Camera], time: float, size: tuple[int, int]) -> Box:
    """What a camera frames on its way past the stations of `path`; it rests after the last."""
    late = next((i for i, station in enumerate(path) if station.time > time), len(path) - 1)
    a, b = path[max(0, late - 1)], path[late]
    x, y, width = (
        ease(time, a.time, b.time, before, after)
        for before, after in zip(a[1:], b[1:], strict=True)
    )
    return _framed(x, y, width, size)


def sway(time: float, x: float, y: float, width: float, size: tuple[int, int]) -> Box:
    """What a camera held by hand frames around (x, y)."""
    dx = 5 * sin(2 * pi * 0.7 * time) + 2.5 * sin(2 * pi * 1.9 * time + 1)
    dy = 4 * sin(2 * pi * 0.9 * time + 2) + 2 * sin(2 * pi * 2.3 * time)
    return _framed(x + dx, y + dy, width, size)


def _framed(x: float, y: float, width: float, size: tuple[int, int]) -> Box:
    height = width * size[0] / size[1]
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def enclosing(boxes: Sequence[Box]) -> Box:
    """The smallest box around all."""
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def around(point: tuple[float, float], reach: float) -> Box:
    """The box that reaches so far around a point."""
    return point[0] - reach, point[1] - reach, point[0] + reach, point[1] + reach
