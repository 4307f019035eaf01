"""GLM-4.1V, GLM-4.5V and GLM-4.6V: tiny towers of 14-pixel patches."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import CONFIG_MAPPING, PretrainedConfig
from transformers.models.glm4v.processing_glm4v import Glm4vProcessor
from transformers.models.glm46v.processing_glm46v import Glm46VProcessor
from transformers.video_utils import VideoMetadata

from evscli.encoders.processor import import_class
from evscli.records import PrunedVideo
from tests.families.case import Case
from tests.families.llava_onevision import MEAN, STD

TOKENS = (
    "<|image|>",
    "<|video|>",
    "<|begin_of_image|>",
    "<|end_of_image|>",
    "<|begin_of_video|>",
    "<|end_of_video|>",
)
EXPERTS = {
    "moe_intermediate_size": 32,
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "first_k_dense_replace": 1,
    "n_group": 1,
    "topk_group": 1,
}
smart_resize = import_class("transformers.models.glm4v.video_processing_glm4v:smart_resize")
PROCESSORS = {"glm4v": Glm4vProcessor, "glm4v_moe": Glm4vProcessor, "glm46v": Glm46VProcessor}


def config_of(model_type: str, more: Mapping[str, Any]) -> Any:
    """The function that makes a configuration."""

    def config(tokenizer: Any) -> PretrainedConfig:
        token_id = tokenizer.convert_tokens_to_ids
        made: PretrainedConfig = CONFIG_MAPPING[model_type](
            vision_config={
                "depth": 3,
                "hidden_size": 32,
                "intermediate_size": 48,
                "num_heads": 2,
                "out_hidden_size": 48,
                "image_size": 56,
                "patch_size": 14,
                "initializer_range": 0.2,
            },
            text_config={
                "hidden_size": 48,
                "intermediate_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
                "head_dim": 12,
                "initializer_range": 0.2,
                "vocab_size": len(tokenizer),
                "pad_token_id": tokenizer.pad_token_id,
                "eos_token_id": tokenizer.eos_token_id,
                "rope_parameters": {
                    "rope_type": "default",
                    "rope_theta": 10000.0,
                    "partial_rotary_factor": 1.0,
                    "mrope_section": [2, 2, 2],
                },
                **more,
            },
            image_token_id=token_id("<|image|>"),
            video_token_id=token_id("<|video|>"),
            image_start_token_id=token_id("<|begin_of_image|>"),
            image_end_token_id=token_id("<|end_of_image|>"),
            video_start_token_id=token_id("<|begin_of_video|>"),
            video_end_token_id=token_id("<|end_of_video|>"),
        )
        return made

    return config


def own_inputs(
    model: Any, tokenizer: Any, record: PrunedVideo, frames: Tensor, messages: Any
) -> dict[str, Any]:
    """What the processor makes of a video: its own text and kinds of tokens, resize, normalise."""
    resized = interpolate(frames, record.info.resized_size, mode="bicubic", antialias=True).float()
    mean, std = (torch.tensor(value).view(3, 1, 1) * 255 for value in (MEAN, STD))
    t, h, w = record.info.grid_thw
    blocks = ((resized - mean) / std).view(t, 2, 3, h, 2, 14, w, 2, 14)
    pixels = blocks.permute(0, 3, 6, 4, 7, 2, 1, 5, 8).reshape(4 * t * h * w, -1)
    grid = torch.tensor([[t, 2 * h, 2 * w]])
    processor = object.__new__(PROCESSORS[model.config.model_type])
    processor.image_token, processor.video_processor = "<|image|>", SimpleNamespace(merge_size=2)
    for name, token in (("start", "<|begin_of_video|>"), ("end", "<|end_of_video|>")):
        setattr(processor, f"video_{name}_id", tokenizer.convert_tokens_to_ids(token))
    processor.image_token_id = tokenizer.convert_tokens_to_ids("<|image|>")
    metadata = VideoMetadata(
        total_num_frames=record.info.source_frames,
        fps=record.info.source_fps,
        frames_indices=record.source_index.tolist(),
    )
    inputs = {"video_grid_thw": grid, "video_metadata": [metadata]}
    video = processor.replace_video_token(inputs, 0)
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    ids = tokenizer(text.replace("<|video|>", video), return_tensors="pt").input_ids
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "pixel_values_videos": pixels,
        "video_grid_thw": grid,
        "mm_token_type_ids": torch.tensor(processor.create_mm_token_type_ids(ids.tolist())),
    }


def positions(model: Any, own: Mapping[str, Any]) -> Tensor:
    """The model's own [3, 1, S]."""
    known = ("input_ids", "mm_token_type_ids", "video_grid_thw")
    found: Tensor = model.model.get_rope_index(**{name: own[name] for name in known})[0]
    return found


CASES = tuple(
    Case(
        model_type=model_type,
        config=config_of(model_type, more),
        processor={
            "video_processor_type": processor,
            "size": {"shortest_edge": 4 * 28 * 28, "longest_edge": 12 * 84 * 84},
        },
        own_inputs=own_inputs,
        positions=positions,
        pad="<|image|>",
        own_size=lambda own, frames, height, width: smart_resize(
            frames,
            height,
            width,
            min_pixels=own.size["shortest_edge"],
            max_pixels=own.size["longest_edge"],
        ),
        tokens=TOKENS,
        template=lambda text: text.replace(
            "<|vision_start|><|video_pad|><|vision_end|>",
            "<|begin_of_video|><|video|><|end_of_video|>",
        ),
        refused=((("vision_config", "num_heads"), 5, "num_heads 5, which must divide"),),
    )
    for model_type, processor, more in (
        ("glm4v", "Glm4vVideoProcessor", {}),
        ("glm4v_moe", "Glm4vVideoProcessor", EXPERTS),
        ("glm46v", "Glm46VVideoProcessor", {}),
    )
)
