"""Molmo2: the tiny model of `tests.checkpoints`, 9x9 patches a frame."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from evscli.models.molmo2.prompt import PROMPT
from evscli.records import PrunedVideo
from tests.checkpoints import (
    MOLMO2_TEMPLATE,
    MOLMO2_TOKENS,
    MOLMO2_VIDEO_PROCESSOR,
    make_molmo2_config,
)
from tests.families.case import Case
from tests.families.llava_onevision import positions


def own_inputs(
    model: Any, tokenizer: Any, record: PrunedVideo, frames: Tensor, messages: Any
) -> dict[str, Any]:
    """What the processor makes of a video: its own text and pooling, resize, normalise."""
    del model
    # Releases that vLLM comes with lack the family, and its tests take others from here.
    from transformers.models.molmo2.processing_molmo2 import Molmo2Processor
    from transformers.models.molmo2.video_processing_molmo2 import arange_for_pooling

    size = record.info.resized_size
    resized = interpolate(frames.float(), size, mode="bilinear").round().clamp(0, 255)
    side = size[0] // 14
    patches = ((resized - 127.5) / 127.5).view(-1, 3, side, 14, side, 14)
    patches = patches.permute(0, 2, 4, 3, 5, 1).reshape(len(frames), side**2, -1)
    pooling, rows, columns = arange_for_pooling(torch.arange(side**2).view(side, side), 3, 3)
    first = torch.arange(len(frames))[:, None, None] * side**2
    grid = torch.tensor([len(frames), rows, columns])
    shell = object.__new__(Molmo2Processor)
    shell.use_frame_special_tokens, shell.video_use_col_tokens = True, False
    video = shell.get_video_string(grid, [i / record.info.source_fps for i in record.source_index])
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


CASES = (
    Case(
        model_type="molmo2",
        config=lambda _: make_molmo2_config(),
        processor={**MOLMO2_VIDEO_PROCESSOR, "num_frames": 4},
        own_inputs=own_inputs,
        positions=positions,
        pad="<im_patch>",
        added=True,
        own_size=lambda *_: (126, 126),
        tokens=MOLMO2_TOKENS,
        template=lambda _: MOLMO2_TEMPLATE,
        refused=((("vision_config", "image_size"), [84, 84], "its video processor has size"),),
    ),
)
