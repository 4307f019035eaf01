"""Batches to train on: what is in them, how they travel, what the model makes of them."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data._utils.pin_memory import pin_memory
from transformers import AutoModelForImageTextToText, AutoTokenizer, PreTrainedModel

from evscli import prefill, prune_video
from evscli.errors import UsageError, WrongModelError
from evscli.language import ConversationCollator
from evscli.language.prompt import IGNORED
from evscli.records import PrunedVideo
from tests.checkpoints import make_checkpoint
from tests.language.reference import half, make_clip, make_record

FAMILIES = ["qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "molmo2"]
QUESTION = "what color is the ball?"


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=[] if name == "qwen3_vl" else pytest.mark.slow)
        for name in FAMILIES
    ],
)
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, clip: Path
) -> tuple[Any, Any, PrunedVideo]:
    """A model, its tokenizer, and a video whose positions have gaps between what was kept."""
    folder = make_checkpoint(tmp_path_factory.mktemp("made") / request.param, request.param)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    record = prune_video(clip, method="random", budget=0.3, model=str(folder), dtype="float32")
    return model, AutoTokenizer.from_pretrained(folder), record


def conversation(answer: str, videos: int = 1) -> list[dict[str, Any]]:
    items = [*[{"type": "video"}] * videos, {"type": "text", "text": QUESTION}]
    return [{"role": "user", "content": items}, {"role": "assistant", "content": answer}]


@torch.no_grad()
def logits(model: PreTrainedModel, inputs: Any, **more: Any) -> Tensor:
    return model(**inputs, **more).logits


def test_training_gives_the_logits_of_prefilling(made: tuple[Any, Any, PrunedVideo]) -> None:
    """Without cache and mask models with plain positions take gaps for borders of sequences."""
    model, tokenizer, record = made
    inputs = prefill(record, tokenizer, QUESTION, model=model)
    assert inputs["attention_mask"].all()
    assert (inputs["position_ids"].diff(dim=-1) > 1).any()
    cached = logits(model, inputs, use_cache=True)
    assert torch.equal(logits(model, inputs, use_cache=False), cached)
    try:
        model.train()
        assert torch.equal(logits(model, inputs, use_cache=False), cached)
    finally:
        model.eval()


def test_the_trap_is_there_for_plain_positions_without_a_mask(
    made: tuple[Any, Any, PrunedVideo],
) -> None:
    model, tokenizer, record = made
    inputs = prefill(record, tokenizer, QUESTION, model=model)
    bare = {name: value for name, value in inputs.items() if name != "attention_mask"}
    same = torch.equal(logits(model, bare, use_cache=False), logits(model, inputs, use_cache=False))
    assert same == (model.config.model_type != "molmo2")


def test_the_loss_is_that_of_the_prefilled_prompt(made: tuple[Any, Any, PrunedVideo]) -> None:
    """Of a padded batch with several videos: the mean over what the assistant says."""
    model, tokenizer, record = made
    examples = [(record, conversation("the ball is red")), ([record] * 2, conversation("blue", 2))]
    batch = ConversationCollator(tokenizer, model=model)(examples)
    assert batch["attention_mask"][0, -1] == 0
    loss = model(**batch).loss
    terms = []
    for video, messages in examples:
        prompt = prefill(video, tokenizer, messages[:1], model=model)["input_ids"]
        whole = prefill(video, tokenizer, messages, model=model, add_generation_prompt=False)
        says = whole["labels"][0] != IGNORED
        assert says.nonzero()[0] == prompt.shape[1]
        scores = logits(model, whole)[0].log_softmax(-1)[:-1]
        terms.append(-scores.gather(1, whole["input_ids"][0, 1:, None])[says[1:], 0])
    torch.testing.assert_close(loss, torch.cat(terms).mean(), rtol=1e-4, atol=1e-4)


def test_joined_conversations_give_loss_and_gradient_of_single_ones(
    made: tuple[Any, Any, PrunedVideo],
) -> None:
    """Several about one video, one with the answer's beginning in common, and one about another."""
    model, tokenizer, record = made
    other = replace(record)
    said = [(record, "the ball is red"), (record, "the ball is blue"), (record, "green")]
    examples = [(video, conversation(text)) for video, text in [*said, (other, "it is red")]]
    single, joined = (
        ConversationCollator(tokenizer, model=model, joined=joined)(examples)
        for joined in (False, True)
    )
    both_ways = model.config.model_type == "molmo2"
    assert len(joined["input_ids"]) == (4 if both_ways else 2)
    assert tensors(joined["mm_encoder_outputs"])[0].equal(record.embeds)
    losses, grads = [], []
    for batch in (single, joined):
        model.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        losses.append(loss)
        grads.append({n: w.grad.clone() for n, w in model.named_parameters() if w.grad is not None})
    model.zero_grad()
    torch.testing.assert_close(*losses)
    for name, grad in grads[0].items():
        torch.testing.assert_close(grad, grads[1][name], rtol=1e-3, atol=1e-6)


def test_conversations_are_joined_for_attention_that_takes_any_mask(
    models: dict[str, PreTrainedModel], tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = models["qwen3_vl"]
    monkeypatch.setattr(model.config.get_text_config(), "_attn_implementation", "eager")
    with pytest.raises(UsageError, match="cannot be joined for a model with eager attention"):
        ConversationCollator(tokenizer, model=model, joined=True)


def test_gradients_reach_the_language_part_alone(made: tuple[Any, Any, PrunedVideo]) -> None:
    model, tokenizer, record = made
    batch = ConversationCollator(tokenizer, model=model)([(record, conversation("red"))])
    model.zero_grad()
    model(**batch).loss.backward()
    reached = {name for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad()
    assert reached
    assert all("language_model." in name or name == "lm_head.weight" for name in reached)


def test_a_batch_and_its_collator_travel_and_move_whole(
    made: tuple[Any, Any, PrunedVideo], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the processes of a loader, to page-locked memory, to another device."""
    model, tokenizer, record = made
    collate = pickle.loads(pickle.dumps(ConversationCollator(tokenizer, model=model)))
    examples = [(record, conversation("red")), ([record] * 2, conversation("blue", 2))]
    batch = collate(examples)
    copied = pickle.loads(pickle.dumps(batch))
    pinned = []
    monkeypatch.setattr(Tensor, "pin_memory", lambda self: pinned.append(self) or self.clone())
    locked = pin_memory(copied)
    assert len(pinned) == len(tensors(batch))
    expected = logits(model, batch)
    assert torch.equal(logits(model, locked), expected)
    away = locked.to("meta")
    assert away is locked
    assert {tensor.device.type for tensor in tensors(away)} == {"meta"}
    narrow = copied.to(torch.bfloat16)
    assert {t.dtype for t in tensors(narrow)} == {torch.bfloat16, torch.int64}


def tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    inner = value.values() if hasattr(value, "values") else value
    return [tensor for item in inner for tensor in tensors(item)]


@pytest.mark.slow
def test_a_model_is_looked_at_when_the_collator_is_made_and_its_answer_kept(
    models: dict[str, PreTrainedModel], tokenizer: Any
) -> None:
    record = half(make_record(models["qwen3_vl"], make_clip(models["qwen3_vl"])))
    collate = ConversationCollator(tokenizer, model=models["qwen3_vl"])
    assert collate([(record, conversation("red"))])["labels"].shape[0] == 1
    other = replace(record.info.model, vision_sha256="ab", vision_bf16_sha256="cd")
    foreign = replace(record, info=replace(record.info, model=other))
    with pytest.raises(WrongModelError, match="not this model's"):
        collate([(foreign, conversation("red"))])
    insisting = ConversationCollator(tokenizer, model=models["qwen3_vl"], force=True)
    with pytest.warns(UserWarning, match="going on as force was given"):
        insisting([(foreign, conversation("red"))])


@pytest.mark.parametrize("example", [{"video": 1}, ("one",), ("record", "a question"), "two"])
def test_what_is_no_example_is_refused(example: Any, tokenizer: Any) -> None:
    with pytest.raises(UsageError, match="an example must be a tuple of a record"):
        ConversationCollator(tokenizer)([example])
