from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evscli.mini.world.draw import LAMP, SEEN, Drawing, cell_owner, draw
from evscli.mini.world.scene import (
    CELL,
    COLORS,
    SHAPES,
    TEMPORAL_PATCH,
    Form,
    Light,
    Role,
    Scene,
    Thing,
)
from tests.mini.world.guessing import composed

FORM = Form(frames=8, cells=(4, 5))
NOTHING = -2
SEEDS = range(6)


def thing(
    x: float, y: float, *, shape: str = "square", color: str = "red", role: Role = "still"
) -> Thing:
    """A thing of radius 9 that is there all the time."""
    path = np.tile(np.array([x, y], np.float32), (FORM.frames, 1))
    shown = np.ones(FORM.frames, bool)
    return Thing(shape=shape, color=color, role=role, radius=9, turn=0, path=path, shown=shown)


def scene_of(*things: Thing, light: Light | None = None, camera: np.ndarray | None = None) -> Scene:
    """One scene without a cut."""
    still = np.zeros((FORM.frames, 2), np.int64)
    return Scene(
        form=FORM,
        cuts=(),
        camera=still if camera is None else camera,
        things=things,
        light=light,
    )


def drawn(scene: Scene, seed: int = 0) -> Drawing:
    return draw(np.random.default_rng(seed), scene)


def centre_of(mask: np.ndarray) -> tuple[float, float]:
    """(x, y) of the middle of the pixels of a mask."""
    rows, columns = np.nonzero(mask)
    return float(columns.mean() + 0.5), float(rows.mean() + 0.5)


def changed(drawing: Drawing, frame: int, against: np.ndarray) -> np.ndarray:
    """[H, W] where a frame is clearly not as another picture."""
    return np.abs(drawing.frames[frame].astype(float) - against).max(-1) > 50


def test_a_drawing_is_a_picture_for_every_frame_and_an_owner_for_every_cell() -> None:
    drawing = drawn(scene_of(thing(40, 24)))
    assert drawing.frames.shape == (8, *FORM.size, 3)
    assert drawing.frames.dtype == np.uint8
    assert drawing.owner.shape == FORM.grid_thw
    assert drawing.owner.dtype == np.int8


def test_a_thing_owns_the_cells_it_covers() -> None:
    owner = drawn(scene_of(thing(40, 24), thing(72, 56, color="blue"))).owner
    expected = np.full(FORM.grid_thw, NOTHING)
    expected[:, 1, 2] = 0
    expected[:, 3, 4] = 1
    assert np.array_equal(owner, expected)


def test_a_thing_on_a_border_owns_both_sides() -> None:
    owner = drawn(scene_of(thing(48, 24))).owner
    assert (owner[:, 1, 2:4] == 0).all()
    assert (owner == 0).sum() == 2 * len(owner)


def test_the_owner_of_a_cell_is_who_covers_most_of_it_in_either_frame() -> None:
    ids = np.full((4, CELL, 2 * CELL), NOTHING, np.int8)
    ids[0, :, :4] = 0
    ids[0, :, 4:12] = 1
    ids[3, :2, CELL:] = 2
    ids[3, 2:5, CELL:] = 3
    owner = cell_owner(ids)
    assert owner.tolist() == [[[1, NOTHING]], [[NOTHING, 3]]]


def test_less_than_an_eighth_of_a_cell_is_not_seen() -> None:
    ids = np.full((2, CELL, CELL), NOTHING, np.int8)
    pixels = int(SEEN * CELL * CELL)
    ids[0].flat[:pixels] = 5
    assert cell_owner(ids).item() == NOTHING
    ids[0].flat[: pixels + 1] = 5
    assert cell_owner(ids).item() == 5


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mover_is_where_its_path_says(seed: int) -> None:
    mover = thing(14, 30, shape="circle", role="mover")
    mover.path[:, 0] += 7 * np.arange(8)
    drawing = drawn(scene_of(mover), seed)
    wall = np.median(drawing.frames, axis=0)
    for frame in (0, 7):  # far from the others
        x, y = centre_of(changed(drawing, frame, wall))
        assert np.hypot(x - mover.path[frame, 0], y - mover.path[frame, 1]) < 3


def test_a_mover_owns_other_cells_as_it_goes() -> None:
    mover = thing(8, 24, role="mover")
    mover.path[:, 0] += 8 * np.arange(8)
    owner = drawn(scene_of(mover)).owner
    for patch in range(4):
        columns = set((mover.path[2 * patch : 2 * patch + 2, 0] // CELL).astype(int))
        assert columns <= set(np.flatnonzero(owner[patch, 1] == 0))
    assert (owner[:, [0, 3]] == NOTHING).all()


def test_who_is_drawn_later_covers_who_was_drawn_before() -> None:
    over = thing(40, 24, color="blue", role="mover")
    owner = drawn(scene_of(over, thing(40, 24))).owner
    assert (owner[:, 1, 2] == 0).all()


@pytest.mark.parametrize("role", ["still", "mover"])
def test_when_the_camera_moves_everything_moves_the_other_way(role: Role) -> None:
    camera = np.zeros((8, 2), np.int64)
    camera[4:] = CELL, -CELL
    drawing = drawn(scene_of(thing(40, 24, role=role), camera=camera))
    assert drawing.owner[:2, 1, 2].tolist() == [0, 0]
    assert drawing.owner[2:, 2, 1].tolist() == [0, 0]
    assert (drawing.owner == 0).sum() == 4


@pytest.mark.parametrize("seed", SEEDS)
def test_the_background_moves_with_the_camera(seed: int) -> None:
    camera = np.zeros((8, 2), np.int64)
    camera[1] = 9, -6
    frames = drawn(scene_of(thing(40, 24), camera=camera), seed).frames.astype(float)
    moved, still = frames[1, 6:, :-9], frames[0, :-6, 9:]
    unmoved = np.abs(frames[1, 6:, :-9] - frames[0, 6:, :-9]).mean()
    assert np.abs(moved - still).mean() < min(14, unmoved)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_thing_has_about_its_color(seed: int) -> None:
    """Nearest to its own colour, up to light and shade."""
    for color, rgb in COLORS.items():
        frames = drawn(scene_of(thing(40, 24, color=color)), seed).frames
        middle = frames[0, 18:31, 34:47].reshape(-1, 3).mean(0)
        assert np.abs(middle - np.array(rgb)).max() < 90, color


@pytest.mark.parametrize("seed", SEEDS)
def test_a_brief_thing_is_in_its_frames_only(seed: int) -> None:
    pop = thing(56, 40, role="pop")
    pop.shown[:] = False
    pop.shown[4] = True
    drawing = drawn(scene_of(thing(20, 20, color="blue"), pop), seed)
    assert (drawing.owner == 1).any((1, 2)).tolist() == [False, False, True, False]
    assert centre_of(changed(drawing, 4, drawing.frames[3])) == pytest.approx((56, 40), abs=3)
    assert changed(drawing, 6, drawing.frames[3]).mean() < 0.01


def lamp(lit: int) -> Light:
    flags = np.arange(FORM.frames) == lit
    return Light(
        centre=(56.0, 24.0), radius=6, shown=np.ones(FORM.frames, bool), lit=flags, starts=(lit,)
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_a_lit_lamp_is_bright_and_is_what_is_seen(seed: int) -> None:
    drawing = drawn(scene_of(thing(20, 20, color="blue"), light=lamp(5)), seed)
    assert drawing.owner[2, 1, 3] == LAMP
    assert (drawing.owner == LAMP).any((1, 2)).tolist() == [False, False, True, False]
    glow = drawing.frames[:, 21:27, 53:59].astype(float).mean((1, 2, 3))
    assert glow.argmax() == 5
    assert glow[5] > 190
    assert glow[5] > np.delete(glow, 5).max() + 15


def test_a_dark_lamp_owns_nothing() -> None:
    dark = drawn(scene_of(thing(20, 20, color="blue"), light=lamp(99))).owner
    assert not (dark == LAMP).any()


def test_after_a_cut_all_is_new() -> None:
    first, second = thing(40, 24), thing(40, 24, color="blue")
    first.shown[4:] = False
    second.shown[:4] = False
    scene = Scene(
        form=FORM, cuts=(4,), camera=scene_of().camera, things=(first, second), light=None
    )
    drawing = drawn(scene)
    assert drawing.owner[:, 1, 2].tolist() == [0, 0, 1, 1]
    assert changed(drawing, 4, drawing.frames[3]).mean() > 0.1


@pytest.mark.parametrize("form", [Form(frames=8, cells=(3, 16)), Form(frames=24, cells=(5, 4))])
def test_what_composed_scenes_show_is_where_they_say(form: Form) -> None:
    for number in range(6):
        scene = composed(form, number)[0]
        owner = draw(np.random.default_rng(number), scene).owner
        seen = {(t, index) for t, index in zip(*_where(owner), strict=True)}
        for patch, index in seen:
            frames = slice(TEMPORAL_PATCH * patch, TEMPORAL_PATCH * (patch + 1))
            if index == LAMP:
                assert scene.light is not None
                assert scene.light.lit[frames].any()
            elif index >= 0:
                assert scene.things[index].shown[frames].any()
                assert scene.things[index].shape in SHAPES


def _where(owner: np.ndarray) -> tuple[list[int], list[int]]:
    """The temporal patch and the owner of every cell."""
    patches = np.broadcast_to(np.arange(len(owner))[:, None, None], owner.shape)
    return patches.ravel().tolist(), owner.ravel().tolist()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_zoom_shows_things_where_the_scene_says(seed: int) -> None:
    zoom = np.linspace(1, 1.5, FORM.frames, dtype=np.float32)
    scene = replace(scene_of(thing(50, 40, color="blue")), zoom=zoom)
    there = drawn(scene, seed)
    places = scene.in_picture(scene.things[0].path)
    middle = np.array(FORM.size[::-1]) / 2
    assert np.allclose(places[-1] - middle, 1.5 * (np.array([50, 40]) - middle))
    covered = [there.owner[t] == 0 for t in range(len(there.owner))]
    assert covered[-1].sum() > covered[0].sum()
    for t, cells in enumerate(covered):
        x, y = centre_of(cells)
        assert np.abs(np.array([x, y]) * CELL - places[TEMPORAL_PATCH * t]).max() < CELL
