from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from evscli.mini.form import mini_tokenizer
from evscli.mini.world.questions import (
    COUNTS_FLASHES,
    COUNTS_SCENES,
    KINDS,
    NUMBERS,
    THIRDS,
    WORDINGS,
    WORDS_FOR,
    ask,
)
from evscli.mini.world.scene import COLORS, SHAPES, Form, Light, Scene, Thing
from tests.mini.world.guessing import FORMS, Case, cases
from tests.mini.world.oracle import answer

SCENES = 100


@pytest.fixture(scope="module")
def asked() -> list[Case]:
    return [case for form in FORMS for case in cases(form, SCENES)]


def thing(shape: str, color: str, role: str, frames: range, *, go: float = 0) -> Thing:
    """A thing in a video of 24 frames; `go` pixels to the right in every frame."""
    path = np.full((24, 2), 32, np.float32)
    path[:, 0] += go * np.arange(24)
    shown = np.isin(np.arange(24), frames)
    return Thing(shape=shape, color=color, role=role, radius=8, turn=0, path=path, shown=shown)


def scene_of(*things: Thing, light: Light | None = None, cuts: tuple[int, ...] = ()) -> Scene:
    """A scene of 24 frames."""
    form = Form(frames=24, cells=(4, 4))
    camera = np.zeros((24, 2), np.int64)
    return Scene(form=form, cuts=cuts, camera=camera, things=things, light=light)


def answers(scene: Scene, *, tries: int = 40) -> set[tuple[str, str]]:
    """(kind, answer) of all that is asked about a scene."""
    every = (ask(np.random.default_rng(seed), scene) for seed in range(tries))
    return {(question.kind, question.answer) for each in every for question in each}


@pytest.mark.slow
def test_every_answer_is_right_and_every_question_means_one_thing(asked: list[Case]) -> None:
    for case in asked:
        assert answer(case.scene, case.question.text) == case.question.answer, case.question.text


def test_every_kind_is_asked_and_no_other(asked: list[Case]) -> None:
    kinds = Counter(case.question.kind for case in asked)
    assert set(kinds) == set(KINDS)
    assert min(kinds.values()) > 40


def test_every_wording_is_used(asked: list[Case]) -> None:
    texts = {case.plain for case in asked}
    for wordings in WORDINGS.values():
        for wording in wordings:
            pattern = re.sub(r"\\{\w+\\}", r"[a-z ]+", re.escape(wording.rstrip("?.")))
            assert any(re.fullmatch(pattern, text) for text in texts), wording


def test_the_answer_is_one_of_the_options(asked: list[Case]) -> None:
    sizes = {
        "color": {8},
        "flash": {6, 8},
        "when": {3},
        "order": {2},
        "direction": {2},
        "count": {4},
        "times": {4},
        "scenes": {4},
    }
    for case in asked:
        options = case.question.options
        assert case.question.answer in options
        assert len(set(options)) == len(options)
        assert len(options) in sizes[case.question.kind]


def test_every_word_is_in_the_vocabulary_and_every_answer_is_one_token() -> None:
    tokenizer = mini_tokenizer()
    shapes = [word for shape in SHAPES for word in WORDS_FOR.get(shape, (shape,))]
    plurals = [f"{word}s" for word in shapes if word not in ("box", "cross")]
    parts = [*COLORS, *shapes, *plurals, "boxes", "crosses", "left", "right", "up", "down"]
    parts += ["thing", "object", "shape", "moving thing", "moving object"]
    wordings = [re.sub(r"\{\w+\}", "", text) for texts in WORDINGS.values() for text in texts]
    unknown = tokenizer.unk_token_id
    for text in [*parts, *wordings]:
        assert unknown not in tokenizer(text)["input_ids"], text
    for word in (*COLORS, *SHAPES, *NUMBERS, *THIRDS, "left", "right", "up", "down"):
        assert len(tokenizer(word)["input_ids"]) == 1, word


def test_what_is_asked_is_made_of_known_words(asked: list[Case]) -> None:
    tokenizer = mini_tokenizer()
    texts = {case.question.text for case in asked}
    known = tokenizer(sorted(texts))["input_ids"]
    assert not any(tokenizer.unk_token_id in ids for ids in known)


def test_some_questions_lack_their_mark(asked: list[Case]) -> None:
    lacking = np.mean([case.question.text[-1].isalpha() for case in asked])
    assert 0.1 < lacking < 0.2


def test_two_of_a_shape_are_told_apart_or_not_asked_about() -> None:
    one = thing("star", "red", "still", range(24))
    pair = scene_of(one, thing("star", "blue", "mover", range(24), go=1))
    assert ("color", "red") not in answers(pair)
    assert ("color", "blue") in answers(pair)  # the moving one
    assert ("count", "two") not in answers(pair)
    assert ("direction", "right") in answers(pair)
    twins = scene_of(*[thing("star", "red", "mover", range(24), go=1)] * 2)
    assert answers(twins) == {("scenes", "one")}


def test_a_brief_thing_is_asked_about_and_not_counted() -> None:
    scene = scene_of(
        thing("star", "red", "still", range(24)),
        thing("ring", "blue", "pop", range(12, 14)),
        cuts=(18,),
    )
    expected = {("color", "red"), ("count", "one"), ("scenes", "two"), ("when", "middle")}
    assert answers(scene) == expected | {("flash", "ring"), ("flash", "blue")}


def test_the_first_of_two_brief_things_comes_first() -> None:
    scene = scene_of(
        thing("star", "red", "pop", range(20, 22)),
        thing("ring", "blue", "pop", range(3, 5)),
        cuts=(12,),
    )
    found = answers(scene)
    assert {("order", "ring"), ("order", "blue")} <= found
    assert not {("order", "star"), ("order", "red")} & found
    assert not any(kind == "flash" for kind, _ in found)


def test_flashes_are_counted_only_where_they_may_repeat(asked: list[Case]) -> None:
    for case in asked:
        if case.question.kind == "times":
            assert case.scene.form.frames >= COUNTS_FLASHES
            assert not case.scene.cuts
        if case.question.kind == "scenes":
            assert case.scene.form.frames >= COUNTS_SCENES
