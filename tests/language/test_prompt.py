from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from evscli.errors import UsageError
from evscli.language.prefill import prompt_format
from evscli.language.prompt import PromptBuilder, as_messages, real_patch_times, texts_of
from evscli.mini.form import mini_tokenizer
from tests.checkpoints import FAMILIES
from tests.language.reference import (
    half,
    make_blank,
    make_clip,
    make_processor,
    reference_inputs,
)

TWO_VIDEOS = [
    {"role": "system", "content": [{"type": "text", "text": "you see two videos"}]},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "first"},
            {"type": "video"},
            {"type": "text", "text": "then"},
            {"type": "video"},
            {"type": "text", "text": "what happens?"},
        ],
    },
    {"role": "assistant", "content": [{"type": "text", "text": "nothing"}]},
    {"role": "user", "content": [{"type": "text", "text": "look again"}]},
]


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("odd", [False, True])
def test_unpruned_ids_are_those_of_the_whole_processor(
    family: str, odd: bool, models: dict[str, PreTrainedModel], tokenizer: Any
) -> None:
    clips = [
        make_clip(models[family], (4, 2, 3), odd=odd),
        make_clip(models[family], (2, 3, 1), step=37),
    ]
    records = [make_blank(models[family], clip) for clip in clips]
    expected = reference_inputs(family, tokenizer, clips, TWO_VIDEOS)["input_ids"][0]
    built = PromptBuilder.of(tokenizer, prompt_format(family)).build(records, TWO_VIDEOS)
    assert torch.equal(built.ids, expected)


def test_a_whole_processor_and_its_tokenizer_give_the_same_ids(
    family: str, models: dict[str, PreTrainedModel], tokenizer: Any
) -> None:
    clip = make_clip(models[family])
    processor = make_processor(family, tokenizer, [clip])
    whole, bare = (
        PromptBuilder.of(source, prompt_format(family)).build(
            [make_blank(models[family], clip)], as_messages("what is it?", 1)
        )
        for source in (processor, tokenizer)
    )
    assert torch.equal(whole.ids, bare.ids)


def test_a_processor_brings_its_own_chat_template(
    models: dict[str, PreTrainedModel], tokenizer: Any
) -> None:
    clip = make_clip(models["qwen3_vl"])
    untemplated = mini_tokenizer()
    untemplated.chat_template = None
    processor = make_processor("qwen3_vl", untemplated, [clip])
    processor.chat_template = tokenizer.chat_template
    video = make_blank(models["qwen3_vl"], clip)
    builder = PromptBuilder.of(processor, prompt_format("qwen3_vl"))
    assert len(builder.build([video], as_messages("what?", 1)).ids) > video.info.tokens


def test_an_emptied_frame_keeps_its_time_and_its_vision_tokens(
    models: dict[str, PreTrainedModel], tokenizer: Any
) -> None:
    record = make_blank(models["qwen3_vl"], make_clip(models["qwen3_vl"], (3, 2, 3)))
    record = half(record, emptied=1)
    builder = PromptBuilder.of(tokenizer, prompt_format("qwen3_vl"))
    text = tokenizer.decode(builder.build([record], as_messages("what?", 1)).ids)
    assert "< 1. 1 seconds > <|vision_start|> <|vision_end|> < 2. 1 seconds >" in text
    assert text.count("<|video_pad|>") == record.info.kept


def test_qwen2_5_vl_has_one_run_and_no_times(
    models: dict[str, PreTrainedModel], tokenizer: Any
) -> None:
    record = make_blank(models["qwen2_5_vl"], make_clip(models["qwen2_5_vl"]))
    record = half(record, emptied=1)
    builder = PromptBuilder.of(tokenizer, prompt_format("qwen2_5_vl"))
    text = tokenizer.decode(builder.build([record], as_messages("what?", 1)).ids)
    run = " ".join(["<|vision_start|>", *["<|video_pad|>"] * record.info.kept, "<|vision_end|>"])
    assert run in text
    assert "seconds" not in text


def test_real_times_are_the_mean_of_each_patch(models: dict[str, PreTrainedModel]) -> None:
    record = make_blank(models["qwen3_vl"], make_clip(models["qwen3_vl"], odd=True, step=12))
    assert record.frame_times.tolist() == [0.25, 0.75, 1.25, 1.75, 2.25]
    assert real_patch_times(record).tolist() == [0.5, 1.5, 2.25]


def test_real_times_stand_in_the_prompt_when_asked_for(
    models: dict[str, PreTrainedModel], tokenizer: Any
) -> None:
    record = make_blank(models["qwen3_vl"], make_clip(models["qwen3_vl"], step=24))
    builder = PromptBuilder.of(tokenizer, prompt_format("qwen3_vl"), real_times=True)
    text = tokenizer.decode(builder.build([record], as_messages("what?", 1)).ids)
    assert all(f"< {time} seconds >" in text for time in ("0. 8", "2. 8", "4. 8"))


def test_real_times_are_refused_where_the_prompt_has_none(tokenizer: Any) -> None:
    with pytest.raises(UsageError, match="leave real_times off"):
        PromptBuilder.of(tokenizer, prompt_format("qwen2_5_vl"), real_times=True)


def test_a_tokenizer_without_chat_template_is_refused() -> None:
    untemplated = mini_tokenizer()
    untemplated.chat_template = None
    with pytest.raises(UsageError, match="no chat template"):
        PromptBuilder.of(untemplated, prompt_format("qwen3_vl"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"type": "text", "text": "what?"}], "0 video items for 1 records"),
        ([{"type": "video"}] * 2, "2 video items for 1 records"),
        ([{"type": "image"}, {"type": "video"}], "image items"),
    ],
)
def test_items_that_do_not_match_the_records_are_refused(
    content: Any, message: str, models: dict[str, PreTrainedModel], tokenizer: Any
) -> None:
    record = make_blank(models["qwen3_vl"], make_clip(models["qwen3_vl"]))
    builder = PromptBuilder.of(tokenizer, prompt_format("qwen3_vl"))
    with pytest.raises(UsageError, match=message):
        builder.build([record], [{"role": "user", "content": content}])


def test_a_control_token_made_of_two_items_is_refused(
    models: dict[str, PreTrainedModel], tokenizer: Any
) -> None:
    record = make_blank(models["qwen3_vl"], make_clip(models["qwen3_vl"]))
    builder = PromptBuilder.of(tokenizer, prompt_format("qwen3_vl"))
    halves = [{"type": "text", "text": text} for text in ("what <|im_", "end|>")]
    with pytest.raises(UsageError, match=r"'<\|im_end\|>'"):
        builder.build([record], [{"role": "user", "content": [{"type": "video"}, *halves]}])


def test_items_with_a_video_between_them_are_two_texts() -> None:
    content = [{"text": "first"}, {"text": " this"}, {"type": "video"}, {"text": "then"}]
    messages = [{"role": "system", "content": "look"}, {"role": "user", "content": content}]
    assert [*texts_of(messages)] == ["look", "first this", "then"]


def test_a_tokenizer_without_video_tokens_is_refused(
    models: dict[str, PreTrainedModel], tokenizer: Any
) -> None:
    other = mini_tokenizer()
    other.chat_template = tokenizer.chat_template.replace("<|video_pad|>", "<|clip|>")
    other.video_token = "<|clip|>"
    record = make_blank(models["qwen3_vl"], make_clip(models["qwen3_vl"]))
    with pytest.raises(UsageError, match=r"does not know <\|clip\|>"):
        PromptBuilder.of(other, prompt_format("qwen3_vl")).build([record], as_messages("what?", 1))
