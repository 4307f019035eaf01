"""Positions made of masks alone are those of `prefill`, and so of the whole prompt."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from evscli.language.prefill import prefill
from evscli.serving.positions import Run, contiguous, framewise, place_runs
from tests.language.reference import make_clip, make_record, pruned

pytestmark = pytest.mark.filterwarnings("ignore:.*vision weights.*not checked")


def runs_of(model: PreTrainedModel, records: list[Any], ids: list[int]) -> list[Run]:
    """The runs of videos in a prompt, found in its ids."""
    token, place, found = model.config.video_token_id, 0, []
    for record in records:
        mask = record.keep_mask.numpy()
        if model.config.model_type == "qwen2_5_vl":
            interval = model.config.vision_config.tokens_per_second
            seconds = 2 / (len(record.source_index) / record.info.source_frames)
            seconds /= record.info.source_fps
            temporal = (torch.arange(len(mask)) * (interval * torch.tensor(seconds))).long()
            offsets, advance = contiguous(mask, temporal.numpy(), after_largest=False)
            place = ids.index(token, place)
            found.append(Run(start=place, offsets=offsets, advance=advance))
            place += offsets.shape[1]
            continue
        for offsets, advance in framewise(mask):
            # Around the times and runs of a video stands one more pair of marks.
            inner = (token, model.config.vision_end_token_id)
            while ids[place - 1] != model.config.vision_start_token_id or ids[place] not in inner:
                place += 1
            found.append(Run(start=place, offsets=offsets, advance=advance))
            place += max(1, offsets.shape[1])
    return found


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_positions_are_those_of_prefill(
    models: dict[str, PreTrainedModel], tokenizer: Any, family: str
) -> None:
    model = models[family]
    clips = [make_clip(model, (3, 2, 4), seed=1), make_clip(model, (2, 3, 2), seed=2)]
    whole = [make_record(model, clip) for clip in clips]
    masks = [record.keep_mask.clone() for record in whole]
    generator = torch.Generator().manual_seed(0)
    for mask in masks:
        mask &= torch.rand(mask.shape, generator=generator) < 0.4
    masks[0][1] = False  # a temporal patch of which nothing is left
    records = [pruned(record, mask) for record, mask in zip(whole, masks, strict=True)]
    inputs = prefill(records, tokenizer, "what happens first?")
    ids = inputs["input_ids"][0].tolist()
    found, delta = place_runs(len(ids), runs_of(model, records, ids))
    expected = inputs["position_ids"][:, 0].numpy()
    assert np.array_equal(found, expected)
    assert delta == int(expected[0, -1]) + 1 - len(ids)


def test_text_goes_on_behind_the_largest_id_where_that_is_the_rule() -> None:
    mask = np.ones((3, 2, 2), bool)
    offsets, advance = contiguous(mask, [0, 4, 8], after_largest=True)
    assert advance == 9
    assert contiguous(mask, [0, 4, 8], after_largest=False)[1] == 2
    ids, delta = place_runs(16, [Run(start=2, offsets=offsets, advance=advance)])
    assert ids[:, :2].tolist() == [[0, 1]] * 3
    assert ids[0, 2:14].tolist() == [2] * 4 + [6] * 4 + [10] * 4
    assert ids[:, 14:].tolist() == [[11, 12]] * 3
    assert delta == -3


def test_a_prompt_without_videos_is_counted() -> None:
    ids, delta = place_runs(3, [])
    assert ids.tolist() == [[0, 1, 2]] * 3
    assert delta == 0
