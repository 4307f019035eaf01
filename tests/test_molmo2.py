"""Molmo2 from a file to logits, against the model's own forward on the whole video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import AutoModelForImageTextToText, AutoTokenizer
from transformers.models.molmo2.processing_molmo2 import Molmo2Processor
from transformers.models.molmo2.video_processing_molmo2 import arange_for_pooling

from evscli import prefill, prune_video
from evscli.models.molmo2.prompt import PROMPT
from evscli.records import PrunedVideo
from tests.checkpoints import make_checkpoint
from tests.videos import sequential_pixels

QUESTION = "what color is the ball?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("molmo2") / "tiny", "molmo2")


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    return AutoTokenizer.from_pretrained(folder)


def own_inputs(tokenizer: Any, clip: Path, record: PrunedVideo) -> dict[str, Tensor]:
    """What the model's own processor gives for the frames of a record, made by hand."""
    frames = torch.stack([torch.from_numpy(frame) for frame in sequential_pixels(clip)])
    chosen = frames[record.source_index].permute(0, 3, 1, 2).float()
    size = record.info.resized_size
    resized = interpolate(chosen, size, mode="bilinear").round().clamp(0, 255)
    values = (resized - 127.5) / 127.5
    side = size[0] // 14
    patches = values.view(-1, 3, side, 14, side, 14).permute(0, 2, 4, 3, 5, 1)
    patches = patches.reshape(len(values), side**2, -1)
    pooling, rows, columns = arange_for_pooling(torch.arange(side**2).view(side, side), 3, 3)
    first = torch.arange(len(values))[:, None, None] * side**2
    grid = torch.tensor([len(values), rows, columns])
    shell = object.__new__(Molmo2Processor)
    shell.use_frame_special_tokens, shell.video_use_col_tokens = True, False
    video = shell.get_video_string(grid, [i / record.info.source_fps for i in record.source_index])
    messages = [
        {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": QUESTION}]}
    ]
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    text = (tokenizer.bos_token or tokenizer.eos_token) + text.replace("<|video|>", video)
    ids = tokenizer(text, return_tensors="pt").input_ids
    special = tokenizer.convert_tokens_to_ids(list(PROMPT.seen_whole))
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "pixel_values_videos": patches,
        "video_token_pooling": (pooling + first).flatten(0, 1),
        "video_grids": grid[None],
        "mm_token_type_ids": torch.isin(ids, torch.tensor(special)).long(),
    }


def test_at_budget_one_logits_equal_the_models_own_forward(
    folder: Path, clip: Path, model: Any, tokenizer: Any
) -> None:
    record = prune_video(clip, method="none", model=str(folder), dtype="float32", chunk_frames=64)
    own = own_inputs(tokenizer, clip, record)
    ours = prefill(record, tokenizer, QUESTION, model=model)
    assert torch.equal(ours["input_ids"], own["input_ids"])
    assert torch.equal(ours["mm_token_type_ids"], own["mm_token_type_ids"])
    with torch.inference_mode():
        difference = model(**ours).logits - model(**own).logits
    assert float(difference.abs().max()) == 0


@pytest.mark.parametrize("method", ["evs", "vcast", "uniform-grid"])
def test_a_pruned_prompt_keeps_positions_and_answers(
    folder: Path, clip: Path, model: Any, tokenizer: Any, method: str
) -> None:
    record = prune_video(clip, method=method, budget=0.4, model=str(folder), dtype="float32")
    full = prune_video(clip, method="none", model=str(folder), dtype="float32")
    ours = prefill(record, tokenizer, QUESTION, model=model)
    whole = prefill(full, tokenizer, QUESTION, model=model)
    visual = whole["input_ids"][0] == tokenizer.convert_tokens_to_ids("<im_patch>")
    kept = torch.ones_like(visual)
    kept[visual] = record.keep_mask.flatten()
    assert torch.equal(ours["input_ids"][0], whole["input_ids"][0][kept])
    assert torch.equal(ours["position_ids"][0], whole["position_ids"][0][kept])
    with torch.inference_mode():
        logits = model(**ours).logits[0, -1]
        made = model.generate(**ours, max_new_tokens=2, do_sample=False)
    assert made[0, ours["input_ids"].shape[1]] == logits.argmax()
    assert logits.isfinite().all()


def test_pruning_masks_nothing_else(folder: Path, clip: Path, model: Any, tokenizer: Any) -> None:
    """The same logits as with the dropped tokens hidden from attention."""
    record = prune_video(clip, method="vcast", budget=0.4, model=str(folder), dtype="float32")
    full = prune_video(clip, method="none", model=str(folder), dtype="float32")
    ours = prefill(record, tokenizer, QUESTION, model=model)
    whole = prefill(full, tokenizer, QUESTION, model=model)
    visual = whole["input_ids"][0] == tokenizer.convert_tokens_to_ids("<im_patch>")
    whole["attention_mask"][0, visual] = record.keep_mask.flatten().long()
    with torch.inference_mode():
        torch.testing.assert_close(
            model(**ours).logits[0, -1], model(**whole).logits[0, -1], atol=1e-4, rtol=1e-4
        )
