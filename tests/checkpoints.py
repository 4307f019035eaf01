"""Tiny random checkpoints in the ordinary Hugging Face layout, made where a test needs them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForImageTextToText,
    GenerationConfig,
    PretrainedConfig,
    PreTrainedModel,
    Qwen2_5_VLConfig,
    Qwen3VLConfig,
    Qwen3VLMoeConfig,
)

from evscli.bundled import MINI_FOLDER
from evscli.mini.form import mini_tokenizer, new_model, write_checkpoint

CHAT_TEMPLATE = (MINI_FOLDER / "chat_template.jinja").read_text()

FAMILIES = ("qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe")

TEXT: dict[str, Any] = {
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32768,
    "initializer_range": 0.2,
}
QWEN3_VISION: dict[str, Any] = {
    "depth": 4,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_heads": 2,
    "patch_size": 8,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "out_hidden_size": 48,
    "num_position_embeddings": 64,
    "deepstack_visual_indexes": [0, 2],
    "initializer_range": 0.2,
}
QWEN2_5_VISION: dict[str, Any] = {
    "depth": 4,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_heads": 2,
    "patch_size": 14,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "out_hidden_size": 48,
    "window_size": 112,
    "fullatt_block_indexes": [1, 3],
    "tokens_per_second": 2,
    "initializer_range": 0.2,
}
QWEN3_VIDEO_PROCESSOR: dict[str, Any] = {
    "video_processor_type": "Qwen3VLVideoProcessor",
    "patch_size": 8,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "fps": 2,
    "min_frames": 4,
    "max_frames": 768,
    "size": {"shortest_edge": 4 * 32 * 32, "longest_edge": 64 * 128 * 128},
}
QWEN2_5_VIDEO_PROCESSOR: dict[str, Any] = {
    "video_processor_type": "Qwen2VLVideoProcessor",
    "patch_size": 14,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "size": {"shortest_edge": 4 * 28 * 28, "longest_edge": 36 * 28 * 28},
}


MOLMO2_VIDEO_PROCESSOR: dict[str, Any] = {
    "video_processor_type": "Molmo2VideoProcessor",
    "size": {"height": 126, "width": 126},
    "num_frames": 8,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
}
MOLMO2_TOKENS = [
    "<|image|>",
    "<|video|>",
    "<im_patch>",
    "<im_col>",
    "<im_start>",
    "<low_res_im_start>",
    "<frame_start>",
    "<im_end>",
    "<frame_end>",
    "<im_low>",
]
MOLMO2_TEMPLATE = CHAT_TEMPLATE.replace("<|vision_start|><|video_pad|><|vision_end|>", "<|video|>")


def make_checkpoint(
    folder: Path, family: str, *, dtype: torch.dtype = torch.float32, seed: int = 0, **save: Any
) -> Path:
    """Write a random checkpoint of `family` with tokenizer and processor configs; returns folder.

    `save` goes to `save_pretrained`, for example `max_shard_size="20KB"` for several files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer(family)
    tokenizer.save_pretrained(folder)
    model = make_model(family, seed=seed)
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    model.to(dtype).save_pretrained(folder, **save)
    processor = {
        "qwen2_5_vl": QWEN2_5_VIDEO_PROCESSOR,
        "molmo2": MOLMO2_VIDEO_PROCESSOR,
    }.get(family, QWEN3_VIDEO_PROCESSOR)
    (folder / "video_preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def make_tokenizer(family: str) -> Any:
    """The tokenizer of `mini`, with the special tokens and the chat template of `family`."""
    tokenizer = mini_tokenizer()
    if family == "molmo2":
        tokenizer.add_special_tokens({"additional_special_tokens": MOLMO2_TOKENS})
        tokenizer.chat_template = MOLMO2_TEMPLATE
    return tokenizer


def make_model(family: str, *, seed: int = 0) -> PreTrainedModel:
    """A random float32 model of `family` in eval mode."""
    torch.manual_seed(seed)
    model = AutoModelForImageTextToText.from_config(make_config(family), dtype=torch.float32)
    return model.eval()


def make_config(family: str) -> PretrainedConfig:
    """The configuration of a tiny model of `family` that fits the tokenizer of `mini`."""
    if family == "molmo2":
        return make_molmo2_config()
    tokenizer = mini_tokenizer()
    token_id = tokenizer.convert_tokens_to_ids
    ids = {
        "image_token_id": token_id("<|image_pad|>"),
        "video_token_id": token_id("<|video_pad|>"),
        "vision_start_token_id": token_id("<|vision_start|>"),
        "vision_end_token_id": token_id("<|vision_end|>"),
    }
    text = {
        **TEXT,
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
    }
    if family == "qwen2_5_vl":
        rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 2, 2]}
        text["rope_parameters"] = rope
        return Qwen2_5_VLConfig(vision_config=dict(QWEN2_5_VISION), text_config=text, **ids)
    text["head_dim"] = 16
    text["rope_parameters"] = {
        "rope_type": "default",
        "rope_theta": 10000.0,
        "mrope_section": [4, 2, 2],
        "mrope_interleaved": True,
    }
    if family == "qwen3_vl":
        return Qwen3VLConfig(vision_config=dict(QWEN3_VISION), text_config=text, **ids)
    if family == "qwen3_vl_moe":
        text |= {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
        return Qwen3VLMoeConfig(vision_config=dict(QWEN3_VISION), text_config=text, **ids)
    raise ValueError(f"unknown family {family!r}")


def make_molmo2_config() -> PretrainedConfig:
    """The configuration of a tiny Molmo2: 9x9 patches, tokens of two blocks' outputs."""
    from transformers import Molmo2Config  # which older releases lack

    tokenizer = make_tokenizer("molmo2")
    token_id = tokenizer.convert_tokens_to_ids
    return Molmo2Config(
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 4,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "image_size": [126, 126],
            "initializer_range": 0.2,
        },
        adapter_config={
            "vision_feature_layer": [-1, 1],
            "hidden_size": 32,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "intermediate_size": 40,
            "text_hidden_size": 48,
            "initializer_range": 0.2,
        },
        text_config={
            **TEXT,
            "head_dim": 12,
            "vocab_size": len(tokenizer),
            "additional_vocab_size": 0,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        image_patch_id=token_id("<im_patch>"),
        frame_start_token_id=token_id("<frame_start>"),
        frame_end_token_id=token_id("<frame_end>"),
        image_start_token_id=token_id("<im_start>"),
        low_res_image_start_token_id=token_id("<low_res_im_start>"),
        image_end_token_id=token_id("<im_end>"),
    )


def copy_mini(folder: Path) -> Path:
    """A copy of the bundled checkpoint's own files, without the code that lies beside them."""
    code = shutil.ignore_patterns("*.py", "__pycache__", "exam", "training", "world")
    return Path(shutil.copytree(MINI_FOLDER, folder, ignore=code))


def build_mini(folder: Path, *, seed: int = 0) -> None:
    """Write `mini` with seeded, untrained weights into `folder`."""
    tokenizer = mini_tokenizer()
    model = new_model(tokenizer, seed=seed)
    write_checkpoint(model, tokenizer, folder, training="seeded initialisation, not trained")
