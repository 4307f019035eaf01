"""Prompts as the processor makes them, and many questions behind one video."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import AutoModelForImageTextToText

from evscli.evaluation.questions.options import side_by_side
from evscli.mini.form import mini_config
from evscli.mini.training.prompts import (
    IGNORED,
    ask_all,
    form_prompt,
    prompt_times,
    tokens_of,
)
from evscli.mini.world.questions import KINDS, NUMBERS, THIRDS, Question
from evscli.mini.world.scene import COLORS, SHAPES, Form

FORM = Form(frames=4, cells=(2, 3), interval=0.5)
RED = Question(kind="color", text="what color is the ball?", answer="red", options=tuple(COLORS))
TWO = Question(kind="scenes", text="count the scenes.", answer="two", options=NUMBERS)
END = Question(kind="when", text="when is the flash?", answer="end", options=THIRDS)


@pytest.fixture(scope="module")
def model(tokenizer: Any) -> Any:
    """A model without weights: only its rules are asked."""
    with torch.device("meta"):
        return AutoModelForImageTextToText.from_config(mini_config(tokenizer))


def test_the_prompt_reads_like_that_of_the_processor(tokenizer: Any) -> None:
    words = tokenizer.convert_ids_to_tokens(form_prompt(tokenizer, FORM).ids)
    frames = [
        [*("<", "0", ".", number, "seconds", ">"), "<|vision_start|>"]
        + ["<|video_pad|>"] * 6
        + ["<|vision_end|>"]
        for number in ("2",)
    ]
    second = ["<", "1", ".", "2", "seconds", ">", *frames[0][6:]]
    assert words == [
        *("<|im_start|>", "user", "<|vision_start|>"),
        *frames[0],
        *second,
        "<|vision_end|>",
    ]


def test_times_are_the_mean_of_a_temporal_patch() -> None:
    assert prompt_times(FORM) == [0.25, 1.25]
    assert prompt_times(Form(frames=6, cells=(3, 3), interval=0.1)) == pytest.approx(
        [0.05, 0.25, 0.45]
    )


@settings(deadline=None, max_examples=25)
@given(
    patches=st.integers(1, 6),
    cells=st.tuples(st.integers(3, 9), st.integers(3, 9)),
    interval=st.floats(0.1, 8),
)
def test_positions_are_the_models_own(
    tokenizer: Any, model: Any, patches: int, cells: tuple[int, int], interval: float
) -> None:
    form = Form(frames=2 * patches, cells=cells, interval=interval)
    prompt = form_prompt(tokenizer, form)
    behind, _ = tokens_of(tokenizer, RED.text, RED.answer)
    ids = torch.cat([prompt.ids, torch.tensor(behind)])
    positions, _ = model.model.get_rope_index(
        ids[None],
        mm_token_type_ids=2 * (ids == model.config.video_token_id)[None].int(),
        video_grid_thw=torch.tensor([[patches, 2 * cells[0], 2 * cells[1]]]),
    )
    size = len(prompt.ids)
    torch.testing.assert_close(prompt.positions, positions[:, 0, :size], rtol=0, atol=0)
    expected = prompt.end + torch.arange(len(behind)).expand(3, -1)
    torch.testing.assert_close(expected, positions[:, 0, size:], rtol=0, atol=0)
    assert torch.equal(prompt.visual, ids[:size] == model.config.video_token_id)


def test_only_answers_are_asked_for_and_each_by_the_token_before_it(tokenizer: Any) -> None:
    asked = ask_all(tokenizer, [[RED, END], [TWO]], most=6)
    assert asked.ids.shape == asked.targets.shape == (2, 2, asked.ids.shape[-1])
    assert asked.kinds.tolist() == [
        [list(KINDS).index("color"), list(KINDS).index("when")],
        [list(KINDS).index("scenes"), -1],
    ]
    for video, number, question in ((0, 0, RED), (0, 1, END), (1, 0, TWO)):
        ids, targets = asked.ids[video, number], asked.targets[video, number]
        where = (targets != IGNORED).nonzero()[:, 0]
        assert torch.equal(targets[where], ids[where + 1])
        wanted = tokenizer.convert_ids_to_tokens(targets[where])
        assert wanted == [question.answer, "<|im_end|>"]
        said = tokenizer.decode(ids[: int(where[0]) + 1])
        assert said.startswith(question.text.split("?")[0].rstrip("."))
        assert said.split()[-1] == "assistant"
    assert (asked.targets[1, 1] == IGNORED).all()


def test_no_more_questions_are_asked_than_wanted(tokenizer: Any) -> None:
    asked = ask_all(tokenizer, [[RED, END, TWO], [TWO]], most=2)
    assert asked.kinds.shape == (2, 2)
    assert asked.kinds[0].tolist() == [list(KINDS).index("color"), list(KINDS).index("when")]


@pytest.mark.parametrize(
    "answer", [*SHAPES, *COLORS, *NUMBERS, *THIRDS, "left", "right", "up", "down"]
)
def test_an_answer_is_one_token_and_its_end(tokenizer: Any, answer: str) -> None:
    tokens, length = tokens_of(tokenizer, "what?", answer)
    assert tokenizer.convert_ids_to_tokens(tokens[length:]) == [answer, "<|im_end|>"]


@settings(deadline=None)
@given(questions=st.integers(1, 4), length=st.integers(1, 5), prefix=st.integers(1, 5))
def test_a_question_sees_the_video_and_itself_alone(
    questions: int, length: int, prefix: int
) -> None:
    mask = side_by_side(torch.full((questions,), length), prefix)
    assert mask.shape == (questions * length, prefix + questions * length)
    assert mask[:, :prefix].all()
    own: Tensor = (
        mask[:, prefix:].unflatten(0, (questions, length)).unflatten(-1, (questions, length))
    )
    for asked in range(questions):
        for other in range(questions):
            expected = torch.ones(length, length).tril().bool() & (asked == other)
            assert torch.equal(own[asked, :, other], expected)
