"""The description of a procedural video, frame by frame, which drawing and questions share.

Points are (x, y) in pixels of the picture before the camera moved; arrays run over frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

SHAPES = ("circle", "square", "triangle", "star", "ring", "cross")

COLORS = {
    "red": (214, 40, 36),
    "yellow": (240, 208, 32),
    "green": (40, 160, 60),
    "blue": (36, 84, 214),
    "purple": (140, 50, 176),
    "brown": (122, 74, 38),
    "white": (242, 242, 242),
    "black": (22, 22, 24),
}
"""The colours in sRGB. Each thing varies a little around its colour."""

CELL = 16
"""The pixels on a side of one visual token of `mini`."""

TEMPORAL_PATCH = 2
"""The number of frames in one temporal patch of `mini`."""

Role = Literal["still", "mover", "pop"]
Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Form:
    """The shape of a video as an input of the encoder."""

    frames: int
    cells: tuple[int, int]
    """The (h, w) of the merged grid."""
    interval: float = 0.25
    """The seconds between two frames."""

    @property
    def size(self) -> tuple[int, int]:
        """The (height, width) in pixels."""
        return CELL * self.cells[0], CELL * self.cells[1]

    @property
    def grid_thw(self) -> tuple[int, int, int]:
        """The (T, h, w) of the visual tokens."""
        return (self.frames // TEMPORAL_PATCH, *self.cells)


@dataclass(frozen=True, kw_only=True, eq=False)
class Thing:
    """A coloured shape that stays, moves or is there for a moment."""

    shape: str
    color: str
    role: Role
    radius: float
    turn: float
    """The radians that it is turned by."""
    path: Floats
    """[F, 2] places of its centre."""
    shown: Flags
    """[F] flags: whether it is in the scene."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Light:
    """A lamp on the background that lights up for moments."""

    centre: tuple[float, float]
    radius: float
    shown: Flags
    """[F] flags: whether the lamp is in the scene."""
    lit: Flags
    """[F] flags: whether it is lit."""
    starts: tuple[int, ...]
    """The first frame of each flash."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """The visible contents of one video."""

    form: Form
    cuts: tuple[int, ...]
    """The first frame of every scene after the first."""
    camera: NDArray[np.int64]
    """[F, 2] places of the upper left corner of the picture."""
    things: tuple[Thing, ...]
    light: Light | None
    zoom: Floats | None = None
    """[F] magnifications about the middle of the picture, 1 or more. None is 1 everywhere."""
    tour: bool = False
    """Whether the camera goes along a wall of which it never sees all."""

    def in_picture(self, path: Floats) -> NDArray[np.float64]:
        """Return the places of points [F, 2] in the pictures, [F, 2]."""
        seen = path - self.camera
        if self.zoom is None:
            return np.asarray(seen, np.float64)
        height, width = self.form.size
        middle = np.array([width, height]) / 2
        return np.asarray((seen - middle) * self.zoom[:, None] + middle, np.float64)

    @property
    def spans(self) -> list[slice]:
        """The frames of each scene."""
        return spans_of(self.cuts, self.form.frames)


def spans_of(cuts: Sequence[int], frames: int) -> list[slice]:
    """Return the frames of each scene of a video that is cut before the frames `cuts`."""
    return [slice(start, stop) for start, stop in pairwise((0, *cuts, frames))]


def displacement(thing: Thing) -> tuple[float, float]:
    """Return the distance (x, y) of a thing from its first frame to its last."""
    seen = thing.path[thing.shown]
    x, y = seen[-1] - seen[0]
    return float(x), float(y)


def way_in_view(scene: Scene, thing: Thing) -> tuple[float, float]:
    """Return its distance (x, y) from its first to its last frame in view, against the picture."""
    seen = scene.in_picture(thing.path)[thing.shown]
    height, width = scene.form.size
    edge = thing.radius if scene.zoom is None else thing.radius * scene.zoom[thing.shown, None]
    inside = ((seen > -edge) & (seen < np.array([width, height]) + edge)).all(1)
    if not inside.any():
        return 0.0, 0.0
    x, y = seen[inside][-1] - seen[inside][0]
    return float(x), float(y)
