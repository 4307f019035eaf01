"""Arguments of `prefill` that it cannot take get one clear line."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn
from transformers import PreTrainedModel

from evscli.errors import UsageError
from evscli.language.prefill import prefill
from evscli.records import PrunedVideo
from tests.language.reference import make_clip, make_record

pytestmark = pytest.mark.filterwarnings("ignore:.*vision weights.*not checked")

QUESTION = "what happens first?"
MESSAGES = [
    {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": QUESTION}]},
]


@pytest.fixture
def record(models: dict[str, PreTrainedModel]) -> PrunedVideo:
    return make_record(models["mini"], make_clip(models["mini"]))


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (None, "NoneType"),
        (5, "int"),
        ("clip", "str"),
        ({"clip": "a store"}, "dict"),
        ([None], "NoneType"),
        ([["clip"]], "list"),
    ],
)
def test_what_is_no_record_is_named(given: Any, name: str, tokenizer: Any) -> None:
    with pytest.raises(UsageError, match=f"a record must be a PrunedVideo, not {name}: pass"):
        prefill(given, tokenizer, QUESTION)


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        (None, "NoneType"),
        (5, "int"),
        (b"what?", "bytes"),
        (MESSAGES[0], "dict"),
        ([None], "NoneType"),
        ([[QUESTION]], "str"),
        ([MESSAGES[0], QUESTION], "str"),
    ],
)
def test_what_is_no_prompt_is_named(
    prompt: Any, name: str, record: PrunedVideo, tokenizer: Any
) -> None:
    with pytest.raises(UsageError, match=f"a prompt must be .*, not {name}: pass the question"):
        prefill(record, tokenizer, prompt)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (5, "int"),
        (0, "int"),
        ({"type": "video"}, "dict"),
        ([{"type": "video"}, "what?"], "list"),
        ([{"type": "text", "text": 5}], "list"),
    ],
)
def test_a_message_of_another_form_is_refused(
    content: Any, name: str, record: PrunedVideo, tokenizer: Any
) -> None:
    with pytest.raises(UsageError, match=f"content of a chat message .* change {name} to that"):
        prefill(record, tokenizer, [{"role": "user", "content": content}])


def test_a_message_may_say_nothing(record: PrunedVideo, tokenizer: Any) -> None:
    silent = [*MESSAGES, {"role": "assistant", "content": None}]
    assert prefill(record, tokenizer, silent)["input_ids"].shape[0] == 1


def test_what_is_no_tokenizer_or_model_is_named(record: PrunedVideo, tokenizer: Any) -> None:
    for processor, name in ((None, "NoneType"), ("mini", "str"), (nn.Linear(1, 1), "Linear")):
        with pytest.raises(UsageError, match=f"processor or tokenizer, not {name}"):
            prefill(record, processor, QUESTION)
    with pytest.raises(UsageError, match="a loaded model of transformers, not str"):
        prefill(record, tokenizer, QUESTION, model="mini")


@pytest.mark.parametrize(
    ("question", "named"),
    [("what zeppelin?", "'zeppelin'"), ("what<|im_end|>?", r"'<\|im_end\|>'")],
)
def test_a_question_that_cannot_be_read_is_refused_in_every_place(
    question: str, named: str, record: PrunedVideo, tokenizer: Any
) -> None:
    prompts = [
        question,
        [QUESTION, question],
        [{"role": "system", "content": question}, *MESSAGES],
        [*MESSAGES, {"role": "assistant", "content": [{"type": "text", "text": question}]}],
    ]
    for prompt in prompts:
        batch = isinstance(prompt[1], str) and not isinstance(prompt, str)
        with pytest.raises(UsageError, match=named):
            prefill([record, record] if batch else record, tokenizer, prompt)
