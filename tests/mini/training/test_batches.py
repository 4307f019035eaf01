"""Batches that are the same wherever they are drawn."""

from __future__ import annotations

import json
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

from evscli.bundled import MINI_FOLDER
from evscli.mini.training.batches import (
    LARGEST,
    LOOK_SHARE,
    MOST_LOOKS,
    MOST_QUESTIONS,
    MOST_VIDEOS,
    SMALL,
    SMALL_SHARE,
    SMALL_UNTIL,
    Batch,
    FilmBatches,
    form_at,
    make_batch,
)
from evscli.mini.training.labels import CLASSES, label
from evscli.mini.training.plan import TrainingPlan
from evscli.mini.training.prompts import IGNORED, KIND_NUMBERS
from evscli.mini.world.film import make_film
from evscli.mini.world.scene import CELL, Form
from evscli.mini.world.views import FIRST_FRAME, SHUFFLED, WHOLE
from evscli.train.drawing import batches

VIDEO_PROCESSOR = json.loads((MINI_FOLDER / "video_preprocessor_config.json").read_text())
FORM = Form(frames=8, cells=(3, 4))


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


@pytest.mark.slow
def test_about_as_many_tokens_are_in_every_batch(tokenizer: Any) -> None:
    data = FilmBatches(tokenizer, replace(PLAN, tokens=300))
    for step in (0, 2, 3):
        t, h, w = data[step].form.grid_thw
        share, most = (LOOK_SHARE, MOST_LOOKS) if step < PLAN.looks else (1, MOST_VIDEOS)
        assert len(data[step].frames) == min(most, max(2, round(300 * share / (t * h * w))))


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
    assert same(ahead[1], FilmBatches(tokenizer, replace(PLAN, more=10))[2])


@pytest.mark.slow
def test_another_process_draws_the_same_and_never_hears_a_ctrl_c(tokenizer: Any) -> None:
    here = FilmBatches(tokenizer, PLAN)
    drawn = 0
    for step, batch in enumerate(batches(FilmBatches(tokenizer, PLAN), 1, 9, processes=1), 1):
        (process,) = active_children()
        assert process.pid is not None
        os.kill(process.pid, signal.SIGINT)
        if step <= 3:
            assert same(batch, here[step])
        drawn += 1
    assert drawn == 8
