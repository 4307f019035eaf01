from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from evscli.errors import DamagedError, ModelError, UsageError
from evscli.language.prefill import prefill
from evscli.records import PrunedVideo
from tests.checkpoints import FAMILIES
from tests.language.reference import (
    Clip,
    half,
    make_clip,
    make_record,
    make_records,
    reference_inputs,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*vision weights.*not checked")

QUESTION = "what happens first?"
MESSAGES = [
    {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": QUESTION}]},
]


@pytest.fixture
def mini(models: dict[str, PreTrainedModel]) -> PreTrainedModel:
    """The bundled model; tests/models/test_families.py asks the same of tiny ones."""
    return models["mini"]


@torch.no_grad()
def logits(model: PreTrainedModel, inputs: Any) -> Tensor:
    """[B, S, V]"""
    return model(**inputs).logits


def language_part(
    model: PreTrainedModel, clip: Clip, record: PrunedVideo, tokenizer: Any
) -> Tensor:
    """Logits of a direct call of the language model on the full prompt's inputs, sliced by hand."""
    full = reference_inputs(model.config.model_type, tokenizer, [clip], MESSAGES)
    ids = full["input_ids"]
    known = ("input_ids", "mm_token_type_ids", "video_grid_thw", "second_per_grid_ts")
    positions, _ = model.model.get_rope_index(**{k: full[k] for k in known if k in full})
    is_pad = ids[0] == model.config.video_token_id
    keep = ~is_pad
    keep[is_pad] = record.keep_mask.flatten()
    embeds = model.get_input_embeddings()(ids)[:, keep]
    embeds[:, is_pad[keep]] = record.embeds
    planes: dict[str, Any] = {}
    if record.deepstack is not None:
        planes["visual_pos_masks"] = is_pad[keep][None]
        planes["deepstack_visual_embeds"] = list(record.deepstack)
    hidden = model.model.language_model(
        inputs_embeds=embeds, position_ids=positions[:, :, keep], **planes
    )
    return model.lm_head(hidden.last_hidden_state)


def placeholders(model: PreTrainedModel) -> list[int]:
    """What a random model may say by chance, and its next forward would want features for."""
    return [model.config.image_token_id, model.config.video_token_id]


def without_cache(model: PreTrainedModel, inputs: Any, steps: int) -> list[int]:
    """Greedy tokens of a loop that runs the whole sequence again for each."""
    now = dict(inputs)
    for _ in range(steps):
        last = logits(model, {**now, "use_cache": False})[:, -1:]
        last[..., placeholders(model)] = -torch.inf
        token = last.argmax(-1)
        now["input_ids"] = torch.cat([now["input_ids"], token], dim=1)
        now["attention_mask"] = torch.ones_like(now["input_ids"])
        following = now["position_ids"][..., -1:] + 1
        now["position_ids"] = torch.cat([now["position_ids"], following], dim=-1)
    return now["input_ids"][0, -steps:].tolist()


def test_everything_kept_gives_the_model_s_own_logits(
    mini: PreTrainedModel, tokenizer: Any
) -> None:
    clip = make_clip(mini, (4, 3, 4), odd=True)
    expected = logits(mini, reference_inputs(mini.config.model_type, tokenizer, [clip], MESSAGES))
    actual = logits(mini, prefill(make_record(mini, clip), tokenizer, QUESTION))
    assert torch.equal(actual, expected)


def test_several_videos_and_text_give_the_model_s_own_logits(
    model: PreTrainedModel, tokenizer: Any
) -> None:
    clips = [make_clip(model, (2, 3, 2)), make_clip(model, (3, 1, 2), seed=1, step=29)]
    parts = [{"type": "text", "text": "first"}, {"type": "video"}, {"type": "text", "text": "then"}]
    messages = [{"role": "user", "content": [*parts, {"type": "video"}]}]
    expected = logits(model, reference_inputs(model.config.model_type, tokenizer, clips, messages))
    records = make_records(model, clips)
    assert torch.equal(logits(model, prefill(records, tokenizer, messages)), expected)


@pytest.mark.parametrize("emptied", [0, 2])
def test_pruned_logits_are_those_of_the_language_model_on_sliced_inputs(
    model: PreTrainedModel, tokenizer: Any, emptied: int
) -> None:
    clip = make_clip(model, (4, 3, 3))
    full = make_record(model, clip)
    record = half(full, emptied=emptied)
    with torch.no_grad():
        expected = language_part(model, clip, record, tokenizer)
    assert torch.equal(logits(model, prefill(record, tokenizer, QUESTION)), expected)


def test_greedy_generate_equals_a_loop_without_cache(mini: PreTrainedModel, tokenizer: Any) -> None:
    full = make_record(mini, make_clip(mini, (3, 3, 3)))
    inputs = prefill(half(full, emptied=1), tokenizer, QUESTION)
    output = mini.generate(
        **inputs, max_new_tokens=6, do_sample=False, suppress_tokens=placeholders(mini)
    )
    tokens = output[0, inputs["input_ids"].shape[1] :].tolist()
    assert tokens == without_cache(mini, inputs, 6)[: len(tokens)]


def test_a_padded_batch_gives_what_each_prompt_gives_alone(
    mini: PreTrainedModel, tokenizer: Any
) -> None:
    long = make_record(mini, make_clip(mini, (4, 3, 3)))
    long = half(long, emptied=2)
    short = make_record(mini, make_clip(mini, (2, 2, 2), seed=1))
    groups, prompts = [[long, short], short], ["which of both?", QUESTION]
    batch = prefill(groups, tokenizer, prompts)
    assert batch["attention_mask"][1, 0] == 0
    together = logits(mini, batch)
    for row, (group, prompt) in enumerate(zip(groups, prompts, strict=True)):
        alone = logits(mini, prefill(group, tokenizer, prompt))[0]
        torch.testing.assert_close(together[row, -len(alone) :], alone, rtol=1e-4, atol=1e-4)


def test_a_batch_generates_what_each_prompt_generates_alone(
    mini: PreTrainedModel, tokenizer: Any
) -> None:
    videos = [make_record(mini, make_clip(mini, (t, 2, 2), seed=t)) for t in (4, 2)]
    batch = prefill(videos, tokenizer, [QUESTION, QUESTION])
    together = mini.generate(**batch, max_new_tokens=4, min_new_tokens=4, do_sample=False)
    for row, video in zip(together, videos, strict=True):
        alone = prefill(video, tokenizer, QUESTION)
        tokens = mini.generate(**alone, max_new_tokens=4, min_new_tokens=4, do_sample=False)
        assert row[-4:].tolist() == tokens[0, -4:].tolist()


def test_logits_depend_on_the_deepstack_planes(mini: PreTrainedModel, tokenizer: Any) -> None:
    record = make_record(mini, make_clip(mini))
    assert record.deepstack is not None
    blank = replace(record, deepstack=torch.zeros_like(record.deepstack))
    given = [logits(mini, prefill(video, tokenizer, QUESTION)) for video in (record, blank)]
    assert not torch.equal(given[0], given[1])


def test_a_record_that_lost_its_deepstack_planes_is_refused(
    models: dict[str, PreTrainedModel], tokenizer: Any
) -> None:
    record = make_record(models["qwen3_vl"], make_clip(models["qwen3_vl"]))
    with pytest.raises(DamagedError, match="DeepStack"):
        prefill(replace(record, deepstack=None), tokenizer, QUESTION)


@pytest.mark.parametrize("family", FAMILIES)
def test_inputs_move_as_a_whole_and_one_by_one(
    family: str, models: dict[str, PreTrainedModel], tokenizer: Any
) -> None:
    model = models[family]
    inputs = prefill(make_record(model, make_clip(model)), tokenizer, QUESTION)
    moved = {name: value.to("cpu") for name, value in inputs.items()}
    assert torch.equal(logits(model, moved), logits(model, inputs.to("cpu")))
    tokens = [model.generate(**x, max_new_tokens=2, do_sample=False) for x in (inputs, moved)]
    assert torch.equal(*tokens)


@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision_shards_go_into_a_float32_model(
    family: str, models: dict[str, PreTrainedModel], tokenizer: Any
) -> None:
    record = make_record(models[family], make_clip(models[family]))
    planes = None if record.deepstack is None else record.deepstack.bfloat16()
    narrow = replace(record, embeds=record.embeds.bfloat16(), deepstack=planes)
    wide = logits(models[family], prefill(record, tokenizer, QUESTION))
    torch.testing.assert_close(
        logits(models[family], prefill(narrow, tokenizer, QUESTION)), wide, rtol=0.1, atol=0.5
    )


def test_records_of_different_models_are_refused(
    models: dict[str, PreTrainedModel], tokenizer: Any
) -> None:
    model = models["qwen3_vl"]
    records = [make_record(model, make_clip(model), sha=sha) for sha in ("aa", "bb")]
    with pytest.raises(UsageError, match="different models"):
        prefill(records, tokenizer, QUESTION)


def test_an_unsupported_model_type_is_named(
    models: dict[str, PreTrainedModel], tokenizer: Any
) -> None:
    record = make_record(models["qwen3_vl"], make_clip(models["qwen3_vl"]))
    other = replace(record.info.model, model_type="llava")
    with pytest.raises(ModelError, match="'llava'"):
        prefill(replace(record, info=replace(record.info, model=other)), tokenizer, QUESTION)


def test_numbers_of_prompts_and_records_must_agree(
    models: dict[str, PreTrainedModel], tokenizer: Any
) -> None:
    record = make_record(models["qwen3_vl"], make_clip(models["qwen3_vl"]))
    with pytest.raises(UsageError, match="2 prompts for 1 records"):
        prefill(record, tokenizer, [QUESTION, QUESTION])
    with pytest.raises(UsageError, match="at least one record"):
        prefill([], tokenizer, QUESTION)
