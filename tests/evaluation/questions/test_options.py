"""Options scored side by side equal options scored one by one by the model's plain forward."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from evscli.errors import ModelError, UsageError
from evscli.evaluation.questions.options import best_option, encode_options, score_options
from evscli.language.prefill import prefill
from tests.checkpoints import FAMILIES, make_model
from tests.language.reference import half, make_clip, make_record

pytestmark = pytest.mark.filterwarnings("ignore:.*vision weights.*not checked")

QUESTION = "what happens first?"
OPTIONS = ["red", "the red ball moves left", "10", "1", "a square"]


def prompt(model: PreTrainedModel, tokenizer: Any, **options: Any) -> Any:
    """A prompt about a pruned video."""
    record = half(make_record(model, make_clip(model, (3, 2, 3))))
    return prefill(record, tokenizer, QUESTION, model=model, **options)


@torch.no_grad()
def one_by_one(model: PreTrainedModel, inputs: Any, option: list[int]) -> Tensor:
    """The option's log-probability from one forward of prompt and option, without a cache."""
    length, added = inputs["input_ids"].shape[1], torch.arange(1, len(option) + 1)
    positions = inputs["position_ids"]
    logits = model(
        input_ids=torch.cat([inputs["input_ids"], torch.tensor([option])], dim=1),
        attention_mask=torch.ones(1, length + len(option), dtype=torch.long),
        position_ids=torch.cat([positions, (positions.max() + added).expand(3, 1, -1)], dim=2),
        mm_encoder_outputs=inputs["mm_encoder_outputs"],
        use_cache=False,
    ).logits
    log_probs = logits[0, length - 1 : -1].float().log_softmax(-1)
    return log_probs.gather(1, torch.tensor(option)[:, None]).sum()


@pytest.mark.parametrize("name", [*FAMILIES, "mini"])
def test_scores_equal_plain_forwards_option_by_option(
    name: str, models: dict[str, PreTrainedModel], tokenizer: Any
) -> None:
    model = models[name]
    options = encode_options(tokenizer, OPTIONS)
    got = score_options(model, prompt(model, tokenizer), options)
    expected = [one_by_one(model, prompt(model, tokenizer), option) for option in options]
    assert (got.dtype, got.device.type) == (torch.float32, "cpu")
    torch.testing.assert_close(got, torch.stack(expected), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["qwen2_5_vl", "qwen3_vl"])
def test_options_of_one_token_need_the_prompt_only(
    name: str, models: dict[str, PreTrainedModel], tokenizer: Any
) -> None:
    model = models[name]
    inputs = prompt(model, tokenizer)
    options = [[12], [34], [56]]
    expected = [one_by_one(model, inputs, option) for option in options]
    got = score_options(model, inputs, options)
    torch.testing.assert_close(got, torch.stack(expected), rtol=1e-4, atol=1e-4)


def test_eager_attention_gives_the_same(models: dict[str, PreTrainedModel], tokenizer: Any) -> None:
    eager = make_model("qwen3_vl")
    eager.set_attn_implementation("eager")
    options = encode_options(tokenizer, OPTIONS)
    torch.testing.assert_close(
        score_options(eager, prompt(eager, tokenizer), options),
        score_options(models["qwen3_vl"], prompt(models["qwen3_vl"], tokenizer), options),
        rtol=1e-4,
        atol=1e-4,
    )


def test_scores_do_not_depend_on_the_other_options_or_their_order(
    models: dict[str, PreTrainedModel], tokenizer: Any
) -> None:
    model = models["mini"]
    inputs = prompt(model, tokenizer)
    options = encode_options(tokenizer, OPTIONS)
    scores = score_options(model, inputs, options)
    turned = score_options(model, inputs, options[::-1])
    torch.testing.assert_close(turned.flip(0), scores, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        score_options(model, inputs, options[1:2]), scores[1:2], rtol=1e-4, atol=1e-4
    )


def test_pruned_tokens_change_the_scores(
    models: dict[str, PreTrainedModel], tokenizer: Any
) -> None:
    model = models["qwen3_vl"]
    record = make_record(model, make_clip(model))
    options = encode_options(tokenizer, OPTIONS)
    full, some = (
        score_options(model, prefill(video, tokenizer, QUESTION, model=model), options)
        for video in (record, half(record))
    )
    assert not torch.allclose(full, some, atol=1e-2)


def test_an_option_is_a_whole_answer(tokenizer: Any) -> None:
    one, ten = encode_options(tokenizer, ["1", "10"])
    assert one[-1] == ten[-1] == tokenizer.eos_token_id
    assert ten[: len(one)] != one, "an option that begins another could never lose to it"


def test_options_a_tokenizer_cannot_tell_apart_are_refused(tokenizer: Any) -> None:
    with pytest.raises(UsageError, match="'Red' and 'red' are the same to this model"):
        encode_options(tokenizer, ["blue", "Red", "red"])
    with pytest.raises(UsageError, match="has no token"):
        encode_options(tokenizer, ["blue", " "])


def test_what_would_be_scored_wrongly_is_refused(
    models: dict[str, PreTrainedModel], tokenizer: Any
) -> None:
    model = models["qwen3_vl"]
    video = make_record(model, make_clip(model))
    two = prefill([video, video], tokenizer, [QUESTION, QUESTION], model=model)
    with pytest.raises(UsageError, match="one prompt, not 2"):
        score_options(model, two, [[1]])
    with pytest.raises(UsageError, match="no tokens"):
        score_options(model, prompt(model, tokenizer), [[1], []])
    other = make_model("qwen3_vl")
    other.config.text_config._attn_implementation = "flash_attention_2"
    with pytest.raises(UsageError, match="flash_attention_2"):
        score_options(other, prompt(model, tokenizer), [[1]])


def test_scores_that_are_not_finite_are_no_answer(
    models: dict[str, PreTrainedModel], tokenizer: Any
) -> None:
    model = models["qwen3_vl"]
    video = make_record(model, make_clip(model))
    broken = replace(video, embeds=video.embeds * float("nan"))
    with pytest.raises(ModelError, match="--dtype float32"):
        score_options(model, prefill(broken, tokenizer, QUESTION, model=model), [[1], [2, 3]])


def test_the_highest_score_wins_and_a_tie_does_not() -> None:
    ids = [[1, 9], [2, 3, 4, 9], [5, 9]]
    assert best_option(torch.tensor([-3.0, -2.0, -4.0]), ids, per_token=False) == 1
    assert best_option(torch.tensor([-3.0, -5.0, -4.0]), ids, per_token=False) == 0
    assert best_option(torch.tensor([-3.0, -5.0, -4.0]), ids, per_token=True) == 1
    assert best_option(torch.tensor([-3.0, -5.0, -3.0]), ids, per_token=False) == -1
