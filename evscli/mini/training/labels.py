"""The labels of every visual token of a procedural video: content, motion, and past events."""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch
from torch import Tensor

from evscli.mini.training.prompts import IGNORED
from evscli.mini.world.film import Film
from evscli.mini.world.scene import CELL, COLORS, SHAPES, TEMPORAL_PATCH, displacement

NOTHING, LIT = 0, len(SHAPES) + 1
STILL, LEFT, RIGHT, UP, DOWN, POP, FLASH = range(1, 8)
MOST_ALIKE = 5
CLASSES = {
    "shape": len(SHAPES) + 2,
    "color": len(COLORS) + 1,
    "centre": 2,
    "motion": FLASH + 1,
    "scene": 4,
    "flash": 5,
    "popped": 3,
    "alike": MOST_ALIKE + 1,
}
"""The number of classes of each label of a visual token."""


def label(film: Film) -> dict[str, Tensor]:
    """Return the labels of each visual token by name, [K]: its content and the events so far."""
    owner = torch.from_numpy(film.drawing.owner.astype(np.int64))
    patches, h, w = owner.shape
    things = film.scene.things
    shape = torch.tensor([SHAPES.index(thing.shape) + 1 for thing in things] + [NOTHING, LIT])
    color = torch.tensor([list(COLORS).index(t.color) + 1 for t in things] + [NOTHING, IGNORED])
    moves = torch.stack([motion(film, index) for index in range(len(things))])
    lit = torch.full((1, patches), FLASH)
    motions = torch.cat([moves, torch.zeros_like(lit), lit])  # owners -2 and -1 count from the end
    when = torch.arange(patches)[:, None, None].expand(-1, h, w)
    last = TEMPORAL_PATCH * np.arange(1, patches + 1) - 1
    light = film.scene.light
    starts = light.starts if light is not None else ()
    pops = tuple(int(np.argmax(thing.shown)) for thing in things if thing.role == "pop")
    return {
        "shape": shape[owner].flatten(),
        "color": color[owner].flatten(),
        "centre": centres(film).flatten(),
        "motion": motions[owner, when].flatten(),
        "scene": so_far(film.scene.cuts, last)[when].flatten(),
        "flash": so_far(starts, last)[when].flatten(),
        "popped": so_far(pops, last)[when].flatten(),
        "alike": alike(film)[owner, when].flatten(),
    }


def so_far(starts: tuple[int, ...], last: np.ndarray) -> Tensor:
    """Return [T]: the number of `starts` up to the last frame of each temporal patch."""
    return torch.from_numpy((np.array(starts, np.int64)[None] <= last[:, None]).sum(1))


def alike(film: Film) -> Tensor:
    """Return [things + 2, T] by owner: the still things of its shape in its scene, 0 for others.

    A token of a scene's first temporal patch cannot depend on later ones.
    """
    things, patches = film.scene.things, film.scene.form.grid_thw[0]
    stills = [
        (index, thing.shape, int(np.argmax(thing.shown)) // TEMPORAL_PATCH)
        for index, thing in enumerate(things)
        if thing.role == "still"
    ]
    counts = torch.zeros(len(things) + 2, patches, dtype=torch.int64)
    groups = Counter((shape, begin) for _, shape, begin in stills)
    if film.scene.tour:  # their number is not visible
        counts[[index for index, _, _ in stills]] = IGNORED
        return counts
    for index, shape, begin in stills:
        counts[index] = min(groups[shape, begin], MOST_ALIKE)
        counts[index, begin] = IGNORED
    return counts


def centres(film: Film) -> Tensor:
    """Return [T, h, w]: 1 where the centre of a thing is, in a frame of the temporal patch."""
    scene = film.scene
    t, h, w = scene.form.grid_thw
    marks = torch.zeros(t, h, w, dtype=torch.int64)
    for thing in scene.things:
        frames = np.flatnonzero(thing.shown)
        cells = scene.in_picture(thing.path)[frames] // CELL
        x, y = cells[:, 0].astype(np.int64), cells[:, 1].astype(np.int64)
        inside = (x >= 0) & (x < w) & (y >= 0) & (y < h)
        marks[frames[inside] // TEMPORAL_PATCH, y[inside], x[inside]] = 1
    return marks


def motion(film: Film, index: int) -> Tensor:
    """Return [T]: the motion of a thing, as far as it is visible by each temporal patch."""
    thing = film.scene.things[index]
    patches = film.scene.form.grid_thw[0]
    if thing.role != "mover":
        return torch.full((patches,), POP if thing.role == "pop" else STILL)
    x, y = displacement(thing)
    axis = 0 if abs(x) > abs(y) else 1
    way = ((LEFT, RIGHT), (UP, DOWN))[axis][int((x, y)[axis] > 0)]
    begin = int(np.argmax(thing.shown))
    moved = np.abs(thing.path[:, axis] - thing.path[begin, axis])[1::TEMPORAL_PATCH]
    return torch.where(torch.from_numpy(moved >= 3), way, IGNORED)
