"""The training pass gives what transformers' own forward gives, one question at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText

from evscli.mini.form import mini_config
from evscli.mini.training.batches import make_batch
from evscli.mini.training.forward import read, see
from evscli.mini.training.learner import patches_of
from evscli.mini.training.prompts import ask_all, form_prompt, tokens_of
from evscli.mini.world.film import make_film
from evscli.mini.world.scene import Form
from tests.mini.reference import film_inputs

FORM = Form(frames=8, cells=(3, 5), interval=0.5)


@pytest.fixture(scope="module")
def model(tokenizer: Any) -> Any:
    torch.manual_seed(0)
    return AutoModelForImageTextToText.from_config(mini_config(tokenizer), dtype=torch.float32)


def test_every_question_is_answered_as_transformers_answers_it_alone(
    model: Any, tokenizer: Any
) -> None:
    films = [make_film(FORM, seed=3, number=number) for number in range(2)]
    batch = make_batch(tokenizer, FORM, films, np.random.default_rng(0))
    asked = [film.questions[:3] for film in films]
    ids = ask_all(tokenizer, asked, most=3).ids
    prompt = form_prompt(tokenizer, FORM)
    with torch.no_grad():
        seen = see(model, patches_of(batch.frames), FORM.cells)
        states = read(model, prompt, seen, ids, tap=2)
        ours = model.lm_head(states.questions)
        for video, questions in enumerate(asked):
            for number, question in enumerate(questions):
                inputs = film_inputs(tokenizer, batch.frames[video], FORM, question.text)
                theirs = model(**inputs).logits[0, -1]
                _, length = tokens_of(tokenizer, question.text, question.answer)
                torch.testing.assert_close(
                    ours[video, number, length - 1], theirs, rtol=0, atol=2e-5
                )
