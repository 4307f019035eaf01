from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from evscli.mini.world.motion import LONG_ENOUGH
from evscli.mini.world.questions import LEAST_WAY
from evscli.mini.world.scene import (
    COLORS,
    SHAPES,
    TEMPORAL_PATCH,
    Form,
    Scene,
    displacement,
    way_in_view,
)
from tests.mini.world.guessing import composed

ALL = [
    Form(frames=8, cells=(4, 4)),
    Form(frames=10, cells=(3, 8)),
    Form(frames=16, cells=(4, 5)),
    Form(frames=32, cells=(5, 5)),
    Form(frames=64, cells=(9, 16)),
]


@pytest.fixture(scope="module", params=ALL, ids=str)
def scenes(request: pytest.FixtureRequest) -> list[Scene]:
    return [composed(request.param, number, seed=4)[0] for number in range(120)]


def test_a_scene_follows_from_the_generator() -> None:
    one, same, other = (composed(ALL[2], number)[0] for number in (1, 1, 2))
    assert [t.path.tolist() for t in one.things] == [t.path.tolist() for t in same.things]
    assert [t.path.tolist() for t in one.things] != [t.path.tolist() for t in other.things]


def test_arrays_run_over_the_frames(scenes: list[Scene]) -> None:
    for scene in scenes:
        frames = scene.form.frames
        assert scene.camera.shape == (frames, 2)
        for thing in scene.things:
            assert thing.path.shape == (frames, 2)
            assert thing.path.dtype == np.float32
            assert thing.shown.shape == (frames,)
            assert thing.shape in SHAPES
            assert thing.color in COLORS


def test_a_thing_belongs_to_one_scene(scenes: list[Scene]) -> None:
    for scene in scenes:
        for thing in scene.things:
            (span,) = [s for s in scene.spans if thing.shown[s].any()]
            if thing.role != "pop":
                assert thing.shown[span].all()


def test_still_and_brief_things_are_wholly_in_the_picture(scenes: list[Scene]) -> None:
    for scene in scenes:
        height, width = scene.form.size
        for thing in scene.things:
            if thing.role != "mover" and not scene.tour:
                seen = scene.in_picture(thing.path)[thing.shown]
                assert (seen >= thing.radius - 1e-3).all()
                assert (seen <= np.array([width, height]) - thing.radius + 1e-3).all()


def test_brief_things_come_one_after_the_other_and_never_at_once(scenes: list[Scene]) -> None:
    for scene in scenes:
        brief = [thing for thing in scene.things if thing.role == "pop"]
        assert len(brief) <= 2
        for thing in brief:
            frames = np.flatnonzero(thing.shown)
            assert 1 <= len(frames) <= 3
            assert np.ptp(frames) == len(frames) - 1
            assert frames[0] >= TEMPORAL_PATCH
        if len(brief) == 2:
            (a, b) = (set(np.flatnonzero(t.shown) // TEMPORAL_PATCH) for t in brief)
            assert not a & b
            assert brief[0].shape != brief[1].shape
            assert brief[0].color != brief[1].color


def test_nearly_every_mover_is_seen_to_go_the_way_it_goes(scenes: list[Scene]) -> None:
    movers = [
        (scene, t) for scene in scenes for t in scene.things if t.role == "mover" and not scene.tour
    ]
    unseen = 0
    for scene, thing in movers:
        way = np.array(displacement(thing))
        axis = int(np.abs(way).argmax())
        unseen += way_in_view(scene, thing)[axis] * np.sign(way[axis]) < LEAST_WAY
    assert unseen <= 0.02 * len(movers)


def test_up_to_three_movers_are_there_at_once_and_some_differ_in_color_only() -> None:
    counts: Counter[int] = Counter()
    alike = 0
    for number in range(200):
        movers = [t for t in composed(ALL[0], number, seed=4)[0].things if t.role == "mover"]
        counts[len(movers)] += 1
        alike += len({t.shape for t in movers}) < len(movers)
    assert set(counts) == {0, 1, 2, 3}
    assert 0.3 < alike / (counts[2] + counts[3]) < 0.9


def test_things_that_stay_or_flash_up_seldom_overlap(scenes: list[Scene]) -> None:
    overlaps = 0
    for scene in scenes:
        fixed = [thing for thing in scene.things if thing.role != "mover"]
        for number, one in enumerate(fixed):
            for other in fixed[:number]:
                near = np.hypot(*(one.path[0] - other.path[0])) < one.radius + other.radius
                overlaps += bool(near and (one.shown & other.shown).any())
    assert overlaps <= 0.1 * len(scenes)


def test_a_lamp_is_dark_at_first_and_flashes_as_often_as_it_starts(scenes: list[Scene]) -> None:
    lamps = [scene.light for scene in scenes if scene.light is not None]
    assert 0.3 < len(lamps) / len(scenes) < 0.7
    for scene in scenes:
        light = scene.light
        if light is not None:
            rises = np.flatnonzero(np.diff(light.lit.astype(int), prepend=0) == 1)
            assert tuple(rises) == light.starts
            assert not light.lit[:TEMPORAL_PATCH].any()
            assert (light.shown | ~light.lit).all()
            assert len(light.starts) == 1 or not scene.cuts


def test_long_videos_have_one_to_four_scenes(scenes: list[Scene]) -> None:
    counts = Counter(len(scene.spans) for scene in scenes)
    frames = scenes[0].form.frames
    assert set(counts) == (set(range(1, 1 + min(4, frames // 6))) if frames >= LONG_ENOUGH else {1})


def test_events_are_not_always_at_the_same_time(scenes: list[Scene]) -> None:
    starts = Counter(
        int(np.argmax(thing.shown))
        for scene in scenes
        for thing in scene.things
        if thing.role == "pop"
    )
    assert len(starts) >= 5


@pytest.mark.slow
def test_a_tour_asks_for_its_one_scene_and_begins_like_any_video() -> None:
    made = [composed(ALL[3], number, seed=4) for number in range(200)]
    tours = [(scene, questions) for scene, questions in made if scene.tour]
    assert 5 < len(tours) < 50
    for scene, questions in tours:
        assert scene.zoom is not None
        assert (scene.cuts, scene.zoom[0], *scene.camera[0]) == ((), 1, 0, 0)
        assert np.ptp(scene.camera[:, 0]) > 0
        assert [(asked.kind, asked.answer) for asked in questions] == [("scenes", "one")]
