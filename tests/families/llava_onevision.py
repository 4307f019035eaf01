"""LLaVA-OneVision: tiny SigLIP of 5x5 patches, whose tokens are 3x3 and share patches."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import LlavaOnevisionConfig, PretrainedConfig
from transformers.models.llava_onevision.processing_llava_onevision import (
    LlavaOnevisionProcessor,
)

from evscli.records import PrunedVideo
from tests.families.case import Case

SIDE, PATCH = 5, 14
MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
TOKENS = ("<image>", "<video>")


def text_config(tokenizer: Any) -> dict[str, Any]:
    """A tiny language model with plain positions."""
    return {
        "model_type": "qwen2",
        "vocab_size": len(tokenizer),
        "hidden_size": 48,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "initializer_range": 0.2,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }


def config(tokenizer: Any) -> PretrainedConfig:
    """A tiny model; images are a little larger than their patches, as the published ones are."""
    return LlavaOnevisionConfig(
        vision_config={
            "model_type": "siglip_vision_model",
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 4,
            "num_attention_heads": 2,
            "image_size": SIDE * PATCH + 2,
            "patch_size": PATCH,
            "vision_use_head": False,
        },
        text_config=text_config(tokenizer),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        vision_feature_layer=-1,
    )


def own_inputs(
    model: Any, tokenizer: Any, record: PrunedVideo, frames: Tensor, messages: Any
) -> dict[str, Any]:
    """What the processor makes of a video: its own count of tokens, resize and normalise."""
    del model
    size = (SIDE * PATCH + 2,) * 2
    assert record.info.resized_size == size
    resized = interpolate(frames, size, mode="bicubic", antialias=True).float()
    mean, std = (torch.tensor(value).view(3, 1, 1) * 255 for value in (MEAN, STD))
    shell = SimpleNamespace(num_image_tokens=SIDE**2, video_token="<video>")
    video = LlavaOnevisionProcessor.replace_video_token(
        shell, {"pixel_values_videos": [resized]}, 0
    )
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    ids = tokenizer(text.replace("<video>", video), return_tensors="pt").input_ids
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "pixel_values_videos": ((resized - mean) / std)[None],
    }


def positions(model: Any, own: Mapping[str, Any]) -> Tensor:
    """Plain ones."""
    del model
    return torch.arange(own["input_ids"].shape[1])[None]


CASES = (
    Case(
        model_type="llava_onevision",
        config=config,
        processor={
            "video_processor_type": "LlavaOnevisionVideoProcessor",
            "size": {"height": SIDE * PATCH + 2, "width": SIDE * PATCH + 2},
        },
        own_inputs=own_inputs,
        positions=positions,
        pad="<video>",
        own_frames=lambda own, about: own.sample_frames(
            about, num_frames=min(32, about.total_num_frames)
        ),
        own_size=lambda *_: (SIDE * PATCH + 2, SIDE * PATCH + 2),
        tokens=TOKENS,
        template=lambda text: text.replace(
            "<|vision_start|><|video_pad|><|vision_end|>", "<video>"
        ),
        older=lambda name: name.replace("vision_tower.", "vision_tower.vision_model."),
        refused=(
            (("vision_config", "num_attention_heads"), 5, "num_attention_heads 5, which must div"),
            (("vision_config", "image_size"), 84, "its video processor has size"),
            (("vision_feature_select_strategy",), "default", "which must be full"),
            (("vision_feature_layer",), 9, "which must name outputs of the 4 blocks"),
        ),
    ),
)
