"""Labels of scenes made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evscli.mini.training.labels import (
    DOWN,
    FLASH,
    LIT,
    MOST_ALIKE,
    NOTHING,
    POP,
    RIGHT,
    STILL,
    label,
)
from evscli.mini.training.prompts import IGNORED
from evscli.mini.world.draw import Drawing
from evscli.mini.world.film import Film
from evscli.mini.world.scene import CELL, COLORS, SHAPES, Form, Light, Scene, Thing

FORM = Form(frames=8, cells=(3, 4))
EMPTY, LAMP = -2, -1


def thing(role: Any, shape: str, color: str, path: Any, shown: slice = slice(None)) -> Thing:
    """Something 8 pixels wide; `path` in pixels is one place or one for every frame."""
    flags = np.zeros(FORM.frames, bool)
    flags[shown] = True
    places = np.broadcast_to(np.float32(path), (FORM.frames, 2)).copy()
    return Thing(
        shape=shape, color=color, role=role, radius=4.0, turn=0.0, path=places, shown=flags
    )


def film_of(*things: Thing, owner: Any = None, **changes: Any) -> Film:
    """A black film of a scene; `owner` says which thing is on which cell."""
    scene = Scene(
        form=FORM, cuts=(), camera=np.zeros((FORM.frames, 2), np.int64), things=things, light=None
    )
    if owner is None:
        owner = np.full(FORM.grid_thw, EMPTY)
    frames = np.zeros((FORM.frames, *FORM.size, 3), np.uint8)
    drawing = Drawing(frames=frames, owner=np.int8(owner))
    return Film(scene=replace(scene, **changes), drawing=drawing, questions=())


def labels_of(film: Film) -> dict[str, Tensor]:
    """What is asked, as [T, h, w]."""
    return {name: values.view(FORM.grid_thw) for name, values in label(film).items()}


BALL = thing("still", "circle", "red", (24, 24))
RUNNER = thing("mover", "cross", "black", [(8 + 6 * frame, 40) for frame in range(8)])
FALLER = thing("mover", "ring", "white", [(56, 8 + 2 * frame) for frame in range(8)])
STAR = thing("pop", "star", "green", (56, 8), slice(4, 6))


def test_cells_are_named_by_what_is_on_them() -> None:
    owner = np.full(FORM.grid_thw, EMPTY)
    owner[:, 1, 1], owner[2, 0, 3], owner[3, 2, 2] = 0, 1, LAMP
    labels = labels_of(film_of(BALL, STAR, owner=owner))
    shape, color, motion = (labels[name] for name in ("shape", "color", "motion"))
    assert (shape[:, 1, 1] == SHAPES.index("circle") + 1).all()
    assert (color[:, 1, 1] == list(COLORS).index("red") + 1).all()
    assert (motion[:, 1, 1] == STILL).all()
    assert shape[2, 0, 3] == SHAPES.index("star") + 1
    assert color[2, 0, 3] == list(COLORS).index("green") + 1
    assert motion[2, 0, 3] == POP
    assert (shape[3, 2, 2], color[3, 2, 2], motion[3, 2, 2]) == (LIT, IGNORED, FLASH)
    empty = torch.from_numpy(owner == EMPTY)
    for values in (shape, color, motion):
        assert (values[empty] == NOTHING).all()
        assert (values[~empty] != NOTHING).all()


def test_a_motion_is_asked_for_once_it_can_be_known() -> None:
    owner = np.full(FORM.grid_thw, EMPTY)
    owner[:, 2, 0], owner[:, 0, 3] = 0, 1
    motion = labels_of(film_of(RUNNER, FALLER, owner=owner))["motion"]
    # By the last frame of a patch the runner is 6, 18, ... pixels on, the faller 2, 6, ...
    assert motion[:, 2, 0].tolist() == [RIGHT] * 4
    assert motion[:, 0, 3].tolist() == [IGNORED, DOWN, DOWN, DOWN]


def test_centres_are_where_things_are_seen_as_the_camera_moves() -> None:
    camera = np.zeros((FORM.frames, 2), np.int64)
    camera[4:, 0] = CELL
    centre = labels_of(film_of(BALL, STAR, camera=camera))["centre"]
    expected = torch.zeros(FORM.grid_thw, dtype=torch.int64)
    expected[:2, 1, 1] = expected[2:, 1, 0] = 1
    expected[2, 0, 2] = 1
    assert torch.equal(centre, expected)


def test_a_centre_outside_the_picture_is_nowhere() -> None:
    outside = thing("mover", "cross", "red", [(-40 + 8 * frame, 8) for frame in range(8)])
    centre = labels_of(film_of(outside))["centre"]
    assert centre[:2].sum() == 0
    assert centre[2, 0].tolist() == [1, 0, 0, 0]


def test_what_has_happened_is_counted_from_the_patch_that_shows_it() -> None:
    lit = np.isin(np.arange(FORM.frames), (1, 5))
    light = Light(
        centre=(8, 40), radius=4, shown=np.ones(FORM.frames, bool), lit=lit, starts=(1, 5)
    )
    labels = labels_of(film_of(BALL, STAR, cuts=(6,), light=light))
    counts = {name: labels[name][:, 0, 0].tolist() for name in ("flash", "popped", "scene")}
    assert counts == {"flash": [1, 1, 2, 2], "popped": [0, 0, 1, 1], "scene": [0, 0, 0, 1]}
    for name in counts:
        assert (labels[name] == labels[name][:, :1, :1]).all()


def test_still_things_are_counted_with_those_like_them_in_their_scene() -> None:
    later = slice(4, 8)
    things = [
        thing("still", "circle", "red", (8, 8), slice(0, 4)),
        thing("still", "circle", "blue", (40, 8), slice(0, 4)),
        thing("still", "circle", "blue", (8, 8), later),
        *(thing("still", "star", "red", (8 + n, 40), later) for n in range(MOST_ALIKE + 1)),
        thing("mover", "circle", "green", (40, 40), later),
    ]
    owner = np.full(FORM.grid_thw, EMPTY)
    owner[:2, 0, 0], owner[:2, 0, 2] = 0, 1
    owner[2:, 0, 0], owner[2:, 2, 0], owner[2:, 2, 2] = 2, 3, len(things) - 1
    owner[3, 1, 1] = LAMP
    alike = labels_of(film_of(*things, owner=owner, cuts=(4,)))["alike"]
    assert alike[:, 0, 0].tolist() == [IGNORED, 2, IGNORED, 1]
    assert alike[:2, 0, 2].tolist() == [IGNORED, 2]
    assert alike[2:, 2, 0].tolist() == [IGNORED, MOST_ALIKE]
    assert (alike[:, 2, 2] == 0).all()
    assert (alike[:, 1] == 0).all()
