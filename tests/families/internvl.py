"""InternVL: tiny blocks of 4x4 patches and a class token, windows of 2x2."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import InternVLConfig, PretrainedConfig
from transformers.models.internvl.processing_internvl import InternVLProcessor

from evscli.records import PrunedVideo
from tests.families.case import Case
from tests.families.llava_onevision import MEAN, STD, positions, text_config

SIDE, PATCH = 4, 14
TOKENS = ("<img>", "</img>", "<IMG_CONTEXT>", "<video>")
MARKS = {
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "image_token": "<IMG_CONTEXT>",
    "image_seq_length": SIDE * SIDE // 4,
}


def config(tokenizer: Any) -> PretrainedConfig:
    """A tiny model whose attention normalises queries and keys."""
    return InternVLConfig(
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 4,
            "num_attention_heads": 2,
            "image_size": [SIDE * PATCH] * 2,
            "patch_size": [PATCH] * 2,
            "use_qk_norm": True,
            "attention_bias": True,
            "layer_scale_init_value": 1.0,
            "norm_type": "rms_norm",
        },
        text_config=text_config(tokenizer),
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=SIDE * SIDE // 4,
    )


def own_inputs(
    model: Any, tokenizer: Any, record: PrunedVideo, frames: Tensor, messages: Any
) -> dict[str, Any]:
    """What the processor makes of a video: its own text, resize and normalise."""
    del model
    size = (SIDE * PATCH,) * 2
    assert record.info.resized_size == size
    resized = interpolate(frames, size, mode="bicubic", antialias=True).float()
    mean, std = (torch.tensor(value).view(3, 1, 1) * 255 for value in (MEAN, STD))
    inputs = {"pixel_values_videos": [resized]}
    video = InternVLProcessor.replace_video_token(SimpleNamespace(**MARKS), inputs, 0)
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    ids = tokenizer(text.replace("<video>", video), return_tensors="pt").input_ids
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "pixel_values": (resized - mean) / std,
    }


CASES = (
    Case(
        model_type="internvl",
        config=config,
        processor={
            "video_processor_type": "InternVLVideoProcessor",
            "size": {"height": SIDE * PATCH, "width": SIDE * PATCH},
        },
        own_inputs=own_inputs,
        positions=positions,
        pad="<IMG_CONTEXT>",
        own_frames=lambda own, about: own.sample_frames(
            about, num_frames=min(32, about.total_num_frames)
        ),
        own_size=lambda *_: (SIDE * PATCH, SIDE * PATCH),
        tokens=TOKENS,
        template=lambda text: text.replace(
            "<|vision_start|><|video_pad|><|vision_end|>", "<video>"
        ),
        refused=(
            (("vision_config", "num_attention_heads"), 5, "num_attention_heads 5, which must div"),
            (("vision_config", "image_size"), [84, 84], "its video processor has size"),
            (("vision_feature_select_strategy",), "full", "which must be default"),
            (("downsample_ratio",), 0.3, "which must be one over a whole number"),
            (("vision_feature_layer",), 9, "which must name the output of one of 4 blocks"),
        ),
    ),
)
