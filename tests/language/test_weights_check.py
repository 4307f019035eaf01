from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoTokenizer, PreTrainedModel

from evscli.encoders import vision_digests
from evscli.errors import ModelError, WrongModelError
from evscli.language.prefill import prefill
from evscli.records import PrunedVideo
from tests.checkpoints import FAMILIES, make_checkpoint, make_model
from tests.language.reference import make_clip, make_record


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("made") / "tiny", "qwen3_vl")


@cache
def loaded(folder: Path, dtype: torch.dtype) -> PreTrainedModel:
    return AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype).eval()


def load(folder: Path, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """A model of its own, copied from one that was read from `folder` before."""
    return copy.deepcopy(loaded(folder, dtype))


def record_of(model: PreTrainedModel) -> PrunedVideo:
    """A record that says it was made by `model`."""
    return make_record(model, make_clip(model))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_model_that_made_the_shard_passes_in_either_dtype(
    dtype: torch.dtype, folder: Path, tokenizer: Any
) -> None:
    record = record_of(load(folder))
    prefill(record, tokenizer, "what?", model=load(folder, dtype))


def test_a_bfloat16_checkpoint_passes_when_loaded_wider(tmp_path: Path, tokenizer: Any) -> None:
    folder = make_checkpoint(tmp_path / "narrow", "qwen3_vl", dtype=torch.bfloat16)
    digests = vision_digests(load(folder, torch.bfloat16).model.visual)
    assert digests.stored == digests.bf16
    wide = load(folder)
    record = make_record(wide, make_clip(wide), sha=digests.stored, bf16=digests.bf16)
    prefill(record, tokenizer, "what?", model=wide)


def test_a_model_whose_language_part_alone_was_trained_passes(folder: Path, tokenizer: Any) -> None:
    record, tuned = record_of(load(folder)), load(folder)
    with torch.no_grad():
        tuned.model.language_model.layers[0].mlp.up_proj.weight.mul_(2)
    prefill(record, tokenizer, "what?", model=tuned)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_other_vision_weights_are_refused(dtype: torch.dtype, folder: Path, tokenizer: Any) -> None:
    record, other = record_of(load(folder)), load(folder)
    with torch.no_grad():
        other.model.visual.blocks[0].mlp.linear_fc1.weight[0, 0] += 0.5
    with pytest.raises(WrongModelError, match=r"'tiny'.*--force-model"):
        prefill(record, tokenizer, "what?", model=other.to(dtype))


def test_a_difference_too_small_for_bfloat16_is_a_difference(folder: Path, tokenizer: Any) -> None:
    record, other = record_of(load(folder)), load(folder)
    with torch.no_grad():
        weight = other.model.visual.blocks[0].mlp.linear_fc1.weight
        weight[0, 0] = torch.nextafter(weight[0, 0], torch.tensor(9.0))
    assert vision_digests(other.model.visual).bf16 == record.info.model.vision_bf16_sha256
    with pytest.raises(WrongModelError):
        prefill(record, tokenizer, "what?", model=other)


def test_force_goes_on_with_a_warning(folder: Path, tokenizer: Any) -> None:
    record, other = record_of(load(folder)), make_model("qwen3_vl", seed=5)
    with pytest.warns(UserWarning, match="vision weights of 'tiny'.*going on"):
        inputs = prefill(record, tokenizer, "what?", model=other, force=True)
    assert inputs["input_ids"].shape[0] == 1


def test_the_weights_of_one_model_object_are_digested_once(
    folder: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, calls = load(folder), []
    record = record_of(model)

    def counted(vision: Any) -> Any:
        calls.append(vision)
        return vision_digests(vision)

    monkeypatch.setattr("evscli.language.identity.weights_digests", counted)
    for _ in range(2):
        prefill(record, tokenizer, "what?", model=model)
    (weights,) = calls
    assert weights.keys() == model.model.visual.state_dict().keys()


def test_without_a_model_the_checkpoint_beside_the_tokenizer_is_checked(folder: Path) -> None:
    beside = AutoTokenizer.from_pretrained(folder)
    record = record_of(load(folder))
    prefill(record, beside, "what?")
    model = replace(record.info.model, vision_sha256="other", vision_bf16_sha256="other")
    with pytest.raises(WrongModelError):
        prefill(replace(record, info=replace(record.info, model=model)), beside, "what?")


def test_without_a_model_a_cached_hub_checkpoint_is_checked(
    folder: Path, tmp_path: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = tmp_path / "models--someone--tiny" / "snapshots" / "abc"
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(folder)
    reference = tmp_path / "models--someone--tiny" / "refs" / "main"
    reference.parent.mkdir()
    reference.write_text("abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(tokenizer, "name_or_path", "someone/tiny")
    prefill(record_of(load(folder)), tokenizer, "what?")
    with pytest.raises(WrongModelError):
        prefill(record_of(make_model("qwen3_vl", seed=5)), tokenizer, "what?")


@pytest.mark.parametrize("name", ["", "someone/never-fetched", "no hub id at all"])
def test_what_cannot_be_checked_is_said(
    name: str, folder: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizer, "name_or_path", name)
    with pytest.warns(UserWarning, match="not checked.*pass model="):
        prefill(record_of(load(folder)), tokenizer, "what?")


def test_a_model_without_vision_tower_is_said(folder: Path, tokenizer: Any) -> None:
    record, bare = record_of(load(folder)), make_model("qwen3_vl")
    del bare.model.visual
    with pytest.warns(UserWarning, match="not checked.*absent"):
        prefill(record, tokenizer, "what?", model=bare)


def test_a_model_without_vision_tower_is_known_by_its_checkpoint(
    folder: Path, tokenizer: Any
) -> None:
    record, bare = record_of(load(folder)), load(folder)
    del bare.model.visual
    prefill(record, tokenizer, "what?", model=bare)
    with pytest.raises(WrongModelError, match="not this model's"):
        prefill(record_of(make_model("qwen3_vl", seed=5)), tokenizer, "what?", model=bare)


def test_tokens_of_another_family_or_width_are_refused_even_with_force(tokenizer: Any) -> None:
    models = {family: make_model(family) for family in FAMILIES}
    record = record_of(models["qwen3_vl"])
    with pytest.raises(ModelError, match="qwen2_5_vl"):
        prefill(record, tokenizer, "what?", model=models["qwen2_5_vl"], force=True)
    wide = replace(record.info.model, embed_dim=64)
    with pytest.raises(ModelError, match=r"64 wide.*48 wide"):
        prefill(
            replace(record, info=replace(record.info, model=wide)),
            tokenizer,
            "what?",
            model=models["qwen3_vl"],
            force=True,
        )


def test_a_vision_tower_that_is_trained_after_a_first_prefill_is_refused(
    folder: Path, tokenizer: Any
) -> None:
    model = load(folder)
    record = record_of(model)
    prefill(record, tokenizer, "what?", model=model)
    with torch.no_grad():
        next(model.model.visual.parameters()).add_(1)
    with pytest.raises(WrongModelError, match="not this model's"):
        prefill(record, tokenizer, "what?", model=model)
