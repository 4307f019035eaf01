"""The frames of a scene, and the thing in each cell of the encoder's grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from evscli.mini.world.scene import CELL, COLORS, TEMPORAL_PATCH, Floats, Light, Scene, Thing
from evscli.mini.world.shapes import coverage
from evscli.mini.world.texture import background, clouds

LAMP = -1
"""The number of the light among those of the things."""

GLOW = np.array([255, 246, 200], np.float32)
"""The colour of light."""

SPOTS = 24
"""The pixels on a side of the pattern of a thing."""

PRINTED = 0.36
"""The level of a pattern's noise below which there is print."""

SEEN = 0.12
"""The least share of a cell that its owner must cover."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawing:
    """The frames of a scene, and the owners of its cells."""

    frames: NDArray[np.uint8]
    """[F, H, W, 3] frames."""
    owner: NDArray[np.int8]
    """[T, h, w] index of the thing on each cell: -1 for a lit lamp, -2 for nothing."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DrawnLook:
    """The surface of one thing."""

    color: Floats
    """The RGB colour, [3]."""
    shaded: bool
    """Whether it is lit from the upper left. A circle then looks like a ball."""
    grain: float
    shadow: bool
    spots: Floats | None
    """[SPOTS, SPOTS] brightness of its pattern, about 1, which turns with a rolling circle."""


def draw(rng: Generator, scene: Scene) -> Drawing:
    """Draw every frame; `rng` chooses textures, tints and noise."""
    looks = [any_look(rng, thing) for thing in scene.things]
    canvas = Canvas(scene)
    draw_stills(rng, canvas, looks)
    for role in ("mover", "pop"):
        for index, thing in enumerate(scene.things):
            for frame in np.flatnonzero(thing.shown & (thing.role == role)):
                canvas.put(rng, thing, looks[index], index, int(frame))
    if scene.light is not None:
        for frame in np.flatnonzero(scene.light.lit):
            canvas.glow(scene.light, int(frame))
    canvas.magnify()
    return Drawing(frames=finish(rng, canvas.frames), owner=cell_owner(canvas.ids))


def draw_stills(rng: Generator, canvas: Canvas, looks: Sequence[DrawnLook]) -> None:
    """Draw the background of every scene with all things on it that do not move."""
    scene = canvas.scene
    for span in scene.spans:
        canvas.begin(rng, span)
        for index, thing in enumerate(scene.things):
            if thing.role == "still" and thing.shown[span.start]:
                canvas.stand(rng, thing, looks[index], index)
        if scene.light is not None and scene.light.shown[span.start]:
            canvas.lamp(scene.light)
        canvas.film(span)


def any_look(rng: Generator, thing: Thing) -> DrawnLook:
    """Draw a surface of about the thing's colour."""
    pure = np.array(COLORS[thing.color], np.float32)
    tint = pure * rng.uniform(0.88, 1.1) + rng.normal(0, 6, 3)
    return DrawnLook(
        color=np.asarray(np.clip(tint, 0, 255), np.float32),
        shaded=bool(rng.random() < 0.5),
        grain=float(rng.choice([0, rng.uniform(0, 14)])),
        shadow=bool(rng.random() < 0.3),
        spots=any_spots(rng) if rng.random() < 0.35 else None,
    )


def any_spots(rng: Generator) -> Floats:
    """Draw a pattern of brighter and darker spots, soft or as print."""
    pattern = clouds(rng, (SPOTS, SPOTS), SPOTS // int(rng.integers(2, 6)))
    if rng.random() < 0.3:
        return np.asarray(np.where(pattern > PRINTED, 1, rng.uniform(0.35, 0.7)), np.float32)
    return np.asarray(1 + rng.uniform(0.3, 0.9) * (pattern - 0.5), np.float32)


class Canvas:
    """Frames in the making. Still things are painted once a scene, not once a frame."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        height, width = scene.form.size
        self.frames = np.empty((scene.form.frames, height, width, 3), np.float32)
        self.ids = np.full((scene.form.frames, height, width), -2, np.int8)
        self.margin = int(np.abs(scene.camera).max()) + 1

    def begin(self, rng: Generator, span: slice) -> None:
        """Begin a new background, larger than the picture by the camera's moves."""
        height, width = (side + 2 * self.margin for side in self.scene.form.size)
        seen = [thing.color for thing in self.scene.things if thing.shown[span].any()]
        self.wall = background(rng, (height, width), seen)
        self.wall_ids = np.full((height, width), -2, np.int8)

    def stand(self, rng: Generator, thing: Thing, look: DrawnLook, index: int) -> None:
        """Paint a still thing on the background."""
        x, y = thing.path[0] + self.margin
        paint(rng, self.wall, self.wall_ids, thing, look, index, (float(x), float(y)))

    def lamp(self, light: Light) -> None:
        """Paint the lamp, dark."""
        x, y = light.centre[0] + self.margin, light.centre[1] + self.margin
        window, dx, dy = around(self.wall.shape[:2], x, y, light.radius + 1)
        disc = coverage("circle", light.radius, 0, dx, dy)[..., None]
        rim = disc - coverage("circle", light.radius - 1.5, 0, dx, dy)[..., None]
        self.wall[window] = self.wall[window] * (1 - 0.5 * disc) * (1 - rim) + 150 * rim

    def film(self, span: slice) -> None:
        """Copy the camera's view of the background into the frames."""
        height, width = self.scene.form.size
        for frame in range(span.start, span.stop):
            x, y = self.scene.camera[frame] + self.margin
            self.frames[frame] = self.wall[y : y + height, x : x + width]
            self.ids[frame] = self.wall_ids[y : y + height, x : x + width]

    def put(self, rng: Generator, thing: Thing, look: DrawnLook, index: int, frame: int) -> None:
        """Paint a thing into one frame."""
        x, y = thing.path[frame] - self.scene.camera[frame]
        paint(rng, self.frames[frame], self.ids[frame], thing, look, index, (float(x), float(y)))

    def glow(self, light: Light, frame: int) -> None:
        """Add the light of the lit lamp to one frame."""
        x, y = np.array(light.centre) - self.scene.camera[frame]
        window, dx, dy = around(self.frames.shape[1:3], x, y, 3 * light.radius)
        distance = np.hypot(dx, dy) / light.radius
        halo = np.clip(np.exp(-0.5 * (distance / 1.1) ** 2) * 1.3, 0, 1)[..., None]
        picture = self.frames[frame][window]
        self.frames[frame][window] = picture * (1 - halo) + GLOW * halo
        self.ids[frame][window][distance < 1.3] = LAMP

    def magnify(self) -> None:
        """Enlarge the middle of every frame by the scene's zoom."""
        if self.scene.zoom is None:
            return
        for frame, zoom in enumerate(self.scene.zoom):
            if zoom > 1:
                self.frames[frame] = enlarged(self.frames[frame], float(zoom))
                rows, columns = (
                    inner(side, float(zoom)).round().astype(np.int64) for side in self.ids.shape[1:]
                )
                self.ids[frame] = self.ids[frame][rows[:, None], columns]


def inner(side: int, zoom: float) -> NDArray[np.float64]:
    """Return [side] source places of the pixels of an enlarged line, between 0 and side - 1."""
    places = (np.arange(side) + 0.5 - side / 2) / zoom + side / 2 - 0.5
    return np.clip(places, 0, side - 1)


def enlarged(picture: Floats, zoom: float) -> Floats:
    """Return the middle of [H, W, 3], as large as the whole, interpolated."""
    for axis in (0, 1):
        places = inner(picture.shape[axis], zoom)
        low = np.floor(places).astype(np.int64)
        high = np.minimum(low + 1, picture.shape[axis] - 1)
        share = (places - low).astype(np.float32)
        share = share[:, None, None] if axis == 0 else share[None, :, None]
        picture = picture.take(low, axis) * (1 - share) + picture.take(high, axis) * share
    return picture


def around(
    size: tuple[int, ...], x: float, y: float, reach: float
) -> tuple[tuple[slice, slice], Floats, Floats]:
    """Return the window of pixels near a point, and their distances (dx, dy) from it."""
    y0, y1 = max(0, int(y - reach)), min(size[0], int(y + reach) + 2)
    x0, x1 = max(0, int(x - reach)), min(size[1], int(x + reach) + 2)
    window = (slice(y0, max(y0, y1)), slice(x0, max(x0, x1)))
    rows = np.arange(window[0].start, window[0].stop, dtype=np.float32) + 0.5 - y
    columns = np.arange(window[1].start, window[1].stop, dtype=np.float32) + 0.5 - x
    dx, dy = np.meshgrid(columns, rows)
    return window, dx.astype(np.float32), dy.astype(np.float32)


def paint(
    rng: Generator,
    picture: Floats,
    ids: NDArray[np.int8],
    thing: Thing,
    look: DrawnLook,
    index: int,
    centre: tuple[float, float],
) -> None:
    """Paint one thing, in place."""
    if look.shadow:
        window, dx, dy = around(ids.shape, centre[0] + 2, centre[1] + 3, 1.3 * thing.radius)
        dark = 0.35 * coverage(thing.shape, thing.radius, thing.turn, dx, dy)[..., None]
        picture[window] *= 1 - dark
    window, dx, dy = around(ids.shape, *centre, 1.3 * thing.radius)
    alpha = coverage(thing.shape, thing.radius, thing.turn, dx, dy)
    surface = look.color * brightness(thing, look, dx, dy, centre[0])[..., None]
    if look.grain:
        surface = surface + look.grain * rng.standard_normal((*alpha.shape, 1), np.float32)
    picture[window] += (np.clip(surface, 0, 255) - picture[window]) * alpha[..., None]
    ids[window][alpha > 0.5] = index


def brightness(thing: Thing, look: DrawnLook, dx: Floats, dy: Floats, x: float) -> Floats:
    """Return [h, w] factors on the colour of pixels at (dx, dy) from a thing's centre at `x`."""
    radius, light = thing.radius, np.ones_like(dx)
    if look.spots is not None:
        turn = x / radius if thing.shape == "circle" else 0.0
        u, v = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
        columns, rows = (
            np.clip((side / radius + 1.3) / 2.6 * SPOTS, 0, SPOTS - 1).astype(np.int64)
            for side in (u, v)
        )
        light = light * look.spots[rows, columns]
    if look.shaded and thing.shape == "circle":
        off = np.hypot(dx + 0.35 * radius, dy + 0.35 * radius) / radius
        light = light * (1.12 - 0.5 * np.clip(off / 1.5, 0, 1) ** 2)
        light = light + 0.5 * np.exp(-((off / 0.25) ** 2))
    elif look.shaded:
        light = light * (1.08 - 0.35 * np.clip((dx + dy) / (1.4 * radius), -0.6, 1))
    return np.asarray(light, np.float32)


def finish(rng: Generator, frames: Floats) -> NDArray[np.uint8]:
    """Add sensor noise and exposure, and return whole numbers."""
    exposure = rng.uniform(0.85, 1.12)
    if rng.random() < 0.2:  # flickering light
        frames *= (exposure * rng.uniform(0.97, 1.03, len(frames)))[:, None, None, None]
    else:
        frames *= exposure
    if rng.random() < 0.5:
        add_noise(rng, frames, rng.uniform(0.5, 4))
    return np.asarray(np.clip(frames + 0.5, 0, 255), np.uint8)


def add_noise(rng: Generator, frames: Floats, size: float) -> None:
    """Add sensor noise in place, for every frame from another part of one larger picture of it."""
    height, width = frames.shape[1:3]
    reach = 32
    noise = size * rng.standard_normal((height + reach, width + reach, 3), np.float32)
    for frame, (y, x) in zip(frames, rng.integers(0, reach, (len(frames), 2)), strict=True):
        frame += noise[y : y + height, x : x + width]


def cell_owner(ids: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return [T, h, w] owners of cells, each the one of most of its pixels [F, H, W]."""
    frames, height, width = ids.shape
    h, w = height // CELL, width // CELL
    cells = ids.reshape(frames, h, CELL, w, CELL).transpose(0, 1, 3, 2, 4).reshape(frames, h, w, -1)
    best = np.full((frames // TEMPORAL_PATCH, h, w), SEEN)
    owner = np.full(best.shape, -2, np.int8)
    for index in np.unique(ids):
        if index == -2:
            continue
        share = (cells == index).mean(-1).reshape(-1, TEMPORAL_PATCH, h, w).max(1)
        owner[share > best] = index
        best = np.maximum(best, share)
    return owner
