"""What the bundled weights answer, through our code and through transformers' own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoTokenizer

from evscli.bundled import EXAMPLE_QUESTIONS, MINI_FOLDER
from evscli.evaluation.questions.multiple_choice import LoadedCheckpoint, load_both
from evscli.evaluation.questions.selecting import Selecting
from evscli.evaluation.selections import UNPRUNED
from evscli.evaluation.statistics.results import ALL, Answered
from evscli.evaluation.statistics.tallies import Tally, tally
from evscli.job import Encoding
from evscli.mini.exam.films import frames_of, held_out_films
from evscli.mini.exam.procedural import Examiner, without_tokens
from evscli.mini.world.film import Film, make_film
from evscli.mini.world.questions import KINDS, WORDINGS, Question
from evscli.mini.world.scene import Form
from evscli.mini.world.views import QUESTION_ONLY, WHOLE
from evscli.pruners import check_selection
from tests.mini.reference import film_inputs

pytestmark = pytest.mark.slow

FLOOR = 0.9
"""Of all questions about the whole videos; docs/evidence.md has the accuracy itself."""

SEED = 392
"""Of videos that nothing else here asks about: short ones, of every kind of question."""


FORMS = [(8, (4, 5)), (12, (5, 3)), (10, (3, 6)), (16, (4, 4))]
"""Frames and cells of a few more, which transformers' own code can answer about quickly."""


@pytest.fixture(scope="module")
def tallies() -> list[Tally]:
    """The accuracy with all of a video's tokens and with none of them."""
    checkpoint = load_both(Encoding(model=str(MINI_FOLDER), device="cpu"))
    selecting = Selecting(requests=[check_selection(UNPRUNED)])
    answered: list[Answered] = []
    for name, film in held_out_films(16, seed=SEED):
        examiner = Examiner.of(checkpoint, film)
        (seen,) = examiner.selected(name, selecting).selections([""])
        views = {WHOLE: seen.record, QUESTION_ONLY: without_tokens(seen.record)}
        for view, record in views.items():
            answers = examiner.answer(record, range(len(film.questions)))
            answered += [replace(answer, method=view) for answer in answers]
    return tally(answered)


@pytest.fixture(scope="module")
def films() -> list[Film]:
    return [
        make_film(Form(frames=frames, cells=cells), seed=SEED, number=100, split="held-out")
        for frames, cells in FORMS
    ]


def test_mini_answers_held_out_questions(tallies: Sequence[Tally]) -> None:
    (whole,) = [row for row in tallies if (row.method, row.kind) == (WHOLE, ALL)]
    assert whole.asked > 100
    assert whole.accuracy >= FLOOR


def test_mini_has_learned_every_kind(tallies: Sequence[Tally]) -> None:
    rows = [row for row in tallies if row.method == WHOLE and row.kind != ALL]
    assert {row.kind for row in rows} == {*KINDS}
    for row in rows:
        assert row.accuracy > row.chance + 0.2, row


def test_mini_cannot_answer_without_the_video(tallies: Sequence[Tally]) -> None:
    (blind,) = [row for row in tallies if (row.method, row.kind) == (QUESTION_ONLY, ALL)]
    assert blind.accuracy < blind.chance + 0.12


def best(logits: torch.Tensor, tokenizer: Any, question: Question) -> str:
    """The likeliest option."""
    ids = tokenizer.convert_tokens_to_ids(list(question.options))
    return question.options[int(logits[ids].argmax())]


def test_answers_are_those_of_transformers_own_forward(films: Sequence[Film]) -> None:
    model = AutoModelForImageTextToText.from_pretrained(MINI_FOLDER, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(MINI_FOLDER)
    ours = load_both(Encoding(device="cpu", dtype="float32"))
    asked = 0
    for film in films:
        frames = frames_of(film, WHOLE, seed=0)
        for question, scores in zip(film.questions, unpruned_scores(ours, film), strict=True):
            inputs = film_inputs(tokenizer, frames, film.scene.form, question.text)
            with torch.inference_mode():
                theirs = model(**inputs).logits[0, -1]
            assert best(scores, tokenizer, question) == best(theirs, tokenizer, question)
            torch.testing.assert_close(scores, theirs, rtol=0, atol=1e-3)
            asked += 1
    assert asked >= 20


def unpruned_scores(checkpoint: LoadedCheckpoint, film: Film) -> torch.Tensor:
    examiner = Examiner.of(checkpoint, film)
    selecting = Selecting(requests=[check_selection(UNPRUNED)])
    (seen,) = examiner.selected("film", selecting).selections([""])
    with torch.inference_mode():
        return examiner.scores(seen.record, film.questions)


def test_a_plain_load_answers_in_words_of_its_own(films: Sequence[Film]) -> None:
    """As released, in bfloat16, by transformers' `generate`: no options are given."""
    model = AutoModelForImageTextToText.from_pretrained(MINI_FOLDER)
    tokenizer = AutoTokenizer.from_pretrained(MINI_FOLDER)
    assert model.dtype == torch.bfloat16
    right = []
    for film in films[:3]:
        frames = frames_of(film, WHOLE, seed=0)
        for question in film.questions:
            inputs = film_inputs(tokenizer, frames, film.scene.form, question.text)
            made = model.generate(**inputs, max_new_tokens=4, do_sample=False)
            answer = tokenizer.decode(
                made[0, inputs.input_ids.shape[1] :], skip_special_tokens=True
            )
            right.append(answer == question.answer)
    assert len(right) >= 10
    assert sum(right) >= 0.8 * len(right)


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_an_example_of_every_kind(kind: str) -> None:
    wordings = [text for name, texts in WORDINGS.items() if kind in name.split() for text in texts]
    patterns = [re.sub(r"\\{\w+\\}", "[a-z ]+", re.escape(text)) for text in wordings]
    assert any(re.fullmatch(p, question) for p in patterns for question in EXAMPLE_QUESTIONS)
