"""A request to SGLang is the prompt of `prefill`, and SGLang's own code reads it so."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from evscli.bundled import MINI_FOLDER
from evscli.errors import ModelError, WrongModelError
from evscli.language.prefill import prefill
from evscli.records import PrunedVideo
from evscli.serving.sglang import key_of, request, runs
from evscli.store import open_store
from tests.checkpoints import build_mini

QUESTION = "how many scenes are there?"


@pytest.fixture(scope="module")
def asker() -> Any:
    return AutoTokenizer.from_pretrained(MINI_FOLDER)


@pytest.fixture
def videos(kept: dict[str, Path]) -> list[PrunedVideo]:
    return [open_store(kept["wide"])["a"], open_store(kept["wide"])["b c?"].at(0.25)]


def test_a_request_is_the_prompt_of_prefill(videos: list[PrunedVideo], asker: Any) -> None:
    made = request(videos, asker, QUESTION, model="mini")
    inputs = prefill(videos, asker, QUESTION)
    assert made["input_ids"] == inputs["input_ids"][0].tolist()
    (item,) = made["video_data"]
    assert torch.equal(item["mrope_positions"], inputs["position_ids"][:, 0])
    after = int(inputs["position_ids"][0, 0, -1]) + 1
    assert item["mrope_position_delta"].tolist() == [[after - len(made["input_ids"])]]
    output = inputs["mm_encoder_outputs"]["video"]
    rows = [
        torch.cat([embeds, *(plane[number] for plane in output.deepstack_features)], dim=-1)
        for number, embeds in enumerate(output.pooler_output)
    ]
    assert torch.equal(item["precomputed_embeddings"], torch.cat(rows))
    places = [place for first, last in item["offsets"] for place in range(first, last + 1)]
    pad = asker.convert_tokens_to_ids("<|video_pad|>")
    assert places == [place for place, token in enumerate(made["input_ids"]) if token == pad]
    assert item["video_grid_thw"].shape == (2, 3)


def test_a_key_follows_from_the_tokens(videos: list[PrunedVideo]) -> None:
    one, other = videos
    assert key_of([one]) == key_of([one])
    keys = {key_of(group) for group in ([one], [other], [one, other], [other, one])}
    assert len(keys) == 4
    assert all(0 <= key < 1 << 64 for key in keys)


def test_a_smaller_budget_may_be_asked_for(videos: list[PrunedVideo], asker: Any) -> None:
    found = request(videos[0], asker, QUESTION, budget=0.1)["video_data"][0]
    expected = videos[0].at(0.1)
    assert len(found["precomputed_embeddings"]) == expected.info.kept
    assert found["hash"] == key_of([expected])


def test_other_models_are_refused(videos: list[PrunedVideo], asker: Any, tmp_path: Path) -> None:
    build_mini(tmp_path / "other", seed=5)
    with pytest.raises(WrongModelError, match="vision weights"):
        request(videos[0], asker, QUESTION, model=str(tmp_path / "other"))


def test_models_with_plain_positions_are_refused(
    videos: list[PrunedVideo], asker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from evscli.models.qwen3_vl import prompt

    monkeypatch.setattr(prompt, "PROMPT", replace(prompt.PROMPT, axes=1))
    with pytest.raises(ModelError, match="has plain positions"):
        request(videos[0], asker, QUESTION)


def test_runs_are_counted_from_their_first_to_their_last_place() -> None:
    assert runs(torch.tensor([True, False, True, True])) == [(0, 0), (2, 3)]
    assert runs(torch.tensor([False, False])) == []


def test_the_code_of_sglang_reads_a_request_as_it_is_meant(
    videos: list[PrunedVideo], asker: Any
) -> None:
    """Of SGLang its processor alone runs here: it has no engine without a GPU."""
    reason = "SGLang's processors cannot be imported"
    qwen_vl = pytest.importorskip("sglang.srt.multimodal.processors.qwen_vl", reason=reason)
    base = pytest.importorskip("sglang.srt.multimodal.processors.base_processor", reason=reason)
    processor = object.__new__(qwen_vl.QwenVLImageProcessor)
    token_of = asker.convert_tokens_to_ids
    vars(processor).update(
        hf_config=SimpleNamespace(model_type="qwen3_vl"),
        model_type="qwen3_vl",
        mm_tokens=base.MultimodalSpecialTokens(
            image_token_id=token_of("<|image_pad|>"), video_token_id=token_of("<|video_pad|>")
        ),
        vision_start_token_id=token_of("<|vision_start|>"),
        vision_end_token_id=token_of("<|vision_end|>"),
        video_config={},
        mm_processor_executor=None,
        use_cuda_ipc=False,
        precompute_hash_before_cpu_transfer=False,
        FEATURE_NAMES=["pixel_values", "pixel_values_videos"],
        ATTR_NAME_TO_MODALITY={},
        _processor=None,
        _tokenizer=asker,
    )
    processor._resolve_processor = lambda _: (None, asker)
    processor._mark_cuda_ipc_features_for_deferred_reconstruction = lambda _: None
    made = request(videos, asker, QUESTION)
    asked = SimpleNamespace(video_data=made["video_data"], audio_data=None, rid="one")
    found = asyncio.run(processor._process_mm_data_uncached(None, made["input_ids"], asked))
    (item,), (given,) = found.mm_items, made["video_data"]
    assert found.input_ids == made["input_ids"]
    assert torch.equal(found.mrope_positions, given["mrope_positions"])
    assert found.mrope_position_delta.tolist() == given["mrope_position_delta"].tolist()
    assert item.is_video()
    assert torch.equal(item.precomputed_embeddings, given["precomputed_embeddings"])
    assert item.offsets == given["offsets"]
    assert item.hash == given["hash"]
