"""Labels of scenes made by hand, and batches that are the same wherever they are drawn."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from multiprocessing import active_children
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from evscli.learn.mini import VIDEO_PROCESSOR, mini_tokenizer
from evscli.learn.training.batches import (
    CLASSES,
    DOWN,
    FLASH,
    LARGEST,
    LIT,
    LOOK_SHARE,
    MOST_ALIKE,
    MOST_LOOKS,
    MOST_QUESTIONS,
    MOST_VIDEOS,
    NOTHING,
    POP,
    RIGHT,
    SMALL,
    SMALL_SHARE,
    SMALL_UNTIL,
    STILL,
    Batch,
    FilmBatches,
    form_at,
    label,
    make_batch,
)
from evscli.learn.training.loop import TrainingError, batches, lost_processes_named
from evscli.learn.training.plan import TrainingPlan
from evscli.learn.training.prompts import IGNORED, KIND_NUMBERS
from evscli.learn.world.draw import Drawing
from evscli.learn.world.film import Film, make_film
from evscli.learn.world.scene import CELL, COLORS, SHAPES, Form, Light, Scene, Thing
from evscli.learn.world.views import FIRST_FRAME, SHUFFLED, WHOLE
from tests.store.processes import finish, start

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


def test_a_batch_holds_the_films_and_their_questions(tokenizer: Any) -> None:
    films = [make_film(FORM, seed=5, number=number) for number in range(3)]
    batch = make_batch(tokenizer, FORM, films, np.random.default_rng(0))
    height, width = FORM.size
    assert batch.frames.shape == (3, FORM.frames, 3, height, width)
    for video, film in enumerate(films):
        assert np.array_equal(batch.frames[video].permute(0, 2, 3, 1).numpy(), film.frames)
        kinds = [kind for kind in batch.asked.kinds[video].tolist() if kind >= 0]
        assert len(kinds) == min(MOST_QUESTIONS, len(film.questions))
        for kind in kinds:
            asked = [KIND_NUMBERS[question.kind] for question in film.questions]
            assert kinds.count(kind) <= asked.count(kind)
        for name, values in label(film).items():
            assert torch.equal(batch.labels[name][video], values)
            assert values.max() < CLASSES[name]


@settings(deadline=None, max_examples=300)
@given(seed=st.integers(0, 2**32), progress=st.floats(0, 1))
def test_a_form_is_never_more_than_the_processor_of_mini_takes(seed: int, progress: float) -> None:
    form = form_at(np.random.default_rng(seed), progress)
    patches, h, w = form.grid_thw
    assert form.frames == 2 * patches
    assert VIDEO_PROCESSOR["min_frames"] <= form.frames <= VIDEO_PROCESSOR["max_frames"]
    assert min(h, w) >= 3
    assert h * w <= VIDEO_PROCESSOR["max_video_tokens"]
    assert form.frames * h * w * CELL**2 <= VIDEO_PROCESSOR["size"]["longest_edge"]
    assert 0.1 <= form.interval <= 8


def test_small_forms_come_first_and_all_later() -> None:
    def grids(progress: float) -> list[tuple[int, int, int]]:
        return [form_at(np.random.default_rng(n), progress).grid_thw for n in range(300)]

    for progress in (0.0, SMALL_UNTIL - 0.01):
        assert max(h * w for _, h, w in grids(progress)) <= SMALL
        assert max(t for t, _, _ in grids(progress)) <= 16
    for progress in (SMALL_UNTIL, 1.0):
        assert max(h * w for _, h, w in grids(progress)) > 0.9 * LARGEST
        assert max(t for t, _, _ in grids(progress)) == 32
        assert sum(h * w <= SMALL for _, h, w in grids(progress)) > SMALL_SHARE * 300


PLAN = TrainingPlan(seed=54, steps=1000, looks=2, tokens=1)


def test_about_as_many_tokens_are_in_every_batch(tokenizer: Any) -> None:
    data = FilmBatches(tokenizer, replace(PLAN, tokens=900))
    for step in (0, 2, 3):
        t, h, w = data[step].form.grid_thw
        share, most = (LOOK_SHARE, MOST_LOOKS) if step < PLAN.looks else (1, MOST_VIDEOS)
        assert len(data[step].frames) == min(most, max(2, round(900 * share / (t * h * w))))


def test_at_first_single_moments_are_shown_and_nothing_is_asked(tokenizer: Any) -> None:
    batches_of = [FilmBatches(tokenizer, PLAN)[step] for step in range(4)]
    assert [batch.form.grid_thw[0] == 1 for batch in batches_of] == [True, True, False, False]
    for batch in batches_of[:2]:
        assert (batch.asked.kinds == -1).all()
        assert (batch.asked.targets == IGNORED).all()
    for batch in batches_of[2:]:
        assert (batch.asked.kinds >= 0).any(1).all()


def test_a_view_leaves_of_every_film_what_it_says(tokenizer: Any) -> None:
    films = [make_film(FORM, seed=5, number=number) for number in range(2)]

    def frames(view: str) -> Tensor:
        return make_batch(tokenizer, FORM, films, np.random.default_rng(0), view=view).frames

    whole, first, shuffled = frames(WHOLE), frames(FIRST_FRAME), frames(SHUFFLED)
    assert torch.equal(first, whole[:, :1].expand_as(whole))
    assert not torch.equal(shuffled, whole)
    for video in range(2):
        order = [
            next(i for i in range(8) if torch.equal(f, whole[video, i])) for f in shuffled[video]
        ]
        assert sorted(order) == list(range(8))


def same(one: Batch, other: Batch) -> bool:
    """Whether two batches are equal to the last bit."""
    pairs = [
        (one.frames, other.frames),
        *((getattr(one.asked, n), getattr(other.asked, n)) for n in ("ids", "targets", "kinds")),
        *((one.labels[name], other.labels[name]) for name in CLASSES),
    ]
    return one.form == other.form and all(torch.equal(a, b) for a, b in pairs)


def test_a_batch_follows_from_the_plan_and_the_step_alone(tokenizer: Any) -> None:
    forwards, backwards = FilmBatches(tokenizer, PLAN), FilmBatches(tokenizer, PLAN)
    ahead = [forwards[step] for step in (1, 2, 3)]
    behind = [backwards[step] for step in (3, 2, 1)]
    assert all(same(a, b) for a, b in zip(ahead, behind[::-1], strict=True))
    assert not same(ahead[1], ahead[2])
    assert not same(ahead[1], FilmBatches(tokenizer, replace(PLAN, seed=55))[2])


def test_another_process_draws_the_same_and_never_hears_a_ctrl_c(tokenizer: Any) -> None:
    here = FilmBatches(tokenizer, PLAN)
    drawn = 0
    for step, batch in enumerate(batches(tokenizer, PLAN, 1, 9, processes=1), 1):
        (process,) = active_children()
        assert process.pid is not None
        os.kill(process.pid, signal.SIGINT)
        if step <= 3:
            assert same(batch, here[step])
        drawn += 1
    assert drawn == 8


def draw_while_killing() -> None:
    for _ in batches(mini_tokenizer(), PLAN, 0, 1000, processes=1):
        for process in active_children():
            process.kill()


def lose_the_process_that_draws() -> None:
    """In a process of its own: torch raises wherever it is when it hears of the death."""
    words = r"is gone .*go on from the last checkpoint"
    with pytest.raises(TrainingError, match=words), lost_processes_named():
        draw_while_killing()


def test_a_process_that_is_killed_is_one_clear_error() -> None:
    finish(start(lose_the_process_that_draws))


def test_other_errors_are_not_taken_for_it() -> None:
    with pytest.raises(RuntimeError, match="shapes"), lost_processes_named():
        raise RuntimeError("shapes do not fit")


def test_nothing_left_to_draw_starts_no_process(tokenizer: Any) -> None:
    assert list(batches(tokenizer, PLAN, 1000, 1000, processes=1)) == []
