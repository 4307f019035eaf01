"""Qwen3.5 and Qwen4-exp: tiny models with a layer of linear attention and one of the full kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import CONFIG_MAPPING, PretrainedConfig

from tests.checkpoints import QWEN3_VIDEO_PROCESSOR, QWEN3_VISION
from tests.families.case import Case
from tests.families.qwen_vl import own_inputs, positions, size_of_frames

VISION = {name: value for name, value in QWEN3_VISION.items() if "deepstack" not in name}
TEXT = {
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "layer_types": ["linear_attention", "full_attention"],
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "max_position_embeddings": 32768,
    "initializer_range": 0.2,
    "rope_parameters": {
        "rope_type": "default",
        "rope_theta": 10000.0,
        "partial_rotary_factor": 0.5,
        "mrope_section": [2, 1, 1],
        "mrope_interleaved": True,
    },
}
EXPERTS = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32,
}
EXPERIMENTAL = {
    **EXPERTS,
    "layer_types": ["linear_attention", "indexed_attention"],
    "hc_count": 2,
    "hc_lowrank": 8,
    "indexer_n_heads": 2,
    "indexer_kv_heads": 1,
    "indexer_head_dim": 16,
    "indexer_budget": 64,
    "indexer_compress_ratio": 4,
}


def config_of(model_type: str, more: Mapping[str, Any]) -> Any:
    """The function that makes a configuration."""

    def config(tokenizer: Any) -> PretrainedConfig:
        token_id = tokenizer.convert_tokens_to_ids
        text = {
            **TEXT,
            **more,
            "vocab_size": len(tokenizer),
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
        }
        made: PretrainedConfig = CONFIG_MAPPING[model_type](
            vision_config=dict(VISION),
            text_config=text,
            image_token_id=token_id("<|image_pad|>"),
            video_token_id=token_id("<|video_pad|>"),
            vision_start_token_id=token_id("<|vision_start|>"),
            vision_end_token_id=token_id("<|vision_end|>"),
        )
        return made

    return config


CASES = tuple(
    Case(
        model_type=model_type,
        config=config_of(model_type, more),
        processor=QWEN3_VIDEO_PROCESSOR,
        own_inputs=own_inputs,
        positions=positions,
        pad="<|video_pad|>",
        own_size=size_of_frames,
        refused=(
            (("vision_config", "num_heads"), 5, "num_heads 5, which must divide hidden_size"),
            (("vision_config", "depth"), 0, "depth"),
        ),
    )
    for model_type, more in {
        "qwen3_5": {},
        "qwen3_5_moe": EXPERTS,
        "qwen4_exp": EXPERIMENTAL,
    }.items()
)
