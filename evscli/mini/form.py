"""Builds the bundled checkpoint `mini`: a real Qwen3-VL-architecture model of a few megabytes.

The folder is an ordinary Hugging Face checkpoint, so every command runs the very code that large
models use. This module knows its form; its weights come from `mini.training`.
"""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, GenerationConfig, Qwen3VLConfig
from transformers import PreTrainedTokenizerFast as Tokenizer

from evscli.mini.vocabulary import build_tokenizer
from evscli.mini.world.scene import CELL, TEMPORAL_PATCH

MERGE = 2
MAX_CELLS = 9 * 16
MAX_FRAMES = 64

CHAT_TEMPLATE = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.content is string %}{{ message.content }}{% else -%}
{%- for part in message.content -%}
{%- if part.type == 'video' -%}<|vision_start|><|video_pad|><|vision_end|>
{%- elif part.type == 'image' -%}<|vision_start|><|image_pad|><|vision_end|>
{%- else -%}{{ part.text }}{%- endif -%}
{%- endfor -%}
{%- endif -%}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% endif -%}
"""

VISION = {
    "depth": 4,
    "hidden_size": 128,
    "intermediate_size": 512,
    "num_heads": 4,
    "patch_size": CELL // MERGE,
    "spatial_merge_size": MERGE,
    "temporal_patch_size": TEMPORAL_PATCH,
    "out_hidden_size": 128,
    "num_position_embeddings": 24 * 24,
    "deepstack_visual_indexes": [0, 2],
    "initializer_range": 0.02,
}

TEXT = {
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 32768,
    "initializer_range": 0.02,
    "rope_parameters": {
        "rope_type": "default",
        "rope_theta": 10000.0,
        "mrope_section": [6, 5, 5],
        "mrope_interleaved": True,
    },
}

PIXELS: dict[str, Any] = {
    "patch_size": CELL // MERGE,
    "temporal_patch_size": TEMPORAL_PATCH,
    "merge_size": MERGE,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}

VIDEO_PROCESSOR = {
    "video_processor_type": "Qwen3VLVideoProcessor",
    **PIXELS,
    "fps": 4,
    "min_frames": 8,
    "max_frames": MAX_FRAMES,
    "do_sample_frames": True,
    "cap_pixels_per_frame": True,
    "max_video_tokens": MAX_CELLS,
    "size": {
        "shortest_edge": 8 * (4 * CELL) ** 2,
        "longest_edge": MAX_FRAMES * MAX_CELLS * CELL**2,
    },
}

IMAGE_PROCESSOR = {
    "image_processor_type": "Qwen2VLImageProcessor",
    **PIXELS,
    "size": {"shortest_edge": (4 * CELL) ** 2, "longest_edge": MAX_CELLS * CELL**2},
}


def build_mini(folder: Path, *, seed: int = 0) -> None:
    """Write the checkpoint with seeded, untrained weights into `folder`."""
    tokenizer = mini_tokenizer()
    model = new_model(tokenizer, seed=seed)
    write_checkpoint(model, tokenizer, folder, training="seeded initialisation, not trained")


def mini_tokenizer() -> Tokenizer:
    """The tokenizer with its chat template."""
    tokenizer = build_tokenizer()
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def new_model(tokenizer: Tokenizer, *, seed: int) -> Any:
    """A model with seeded float32 weights; torch's generator goes on from there."""
    torch.manual_seed(seed)
    return AutoModelForImageTextToText.from_config(mini_config(tokenizer), dtype=torch.float32)


def write_checkpoint(model: Any, tokenizer: Tokenizer, folder: Path, *, training: str) -> None:
    """Write an ordinary checkpoint with weights in bfloat16; `training` says what made them."""
    model = deepcopy(model).to(torch.bfloat16)
    model.config.evs_training = training
    for part in (model.config.vision_config, model.config.text_config):
        part.dtype = torch.bfloat16
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)  # safetensors leaves 0600
    tokenizer.save_pretrained(folder)
    write_json(folder / "video_preprocessor_config.json", VIDEO_PROCESSOR)
    write_json(folder / "preprocessor_config.json", IMAGE_PROCESSOR)


def mini_config(tokenizer: Tokenizer) -> Qwen3VLConfig:
    """The model configuration that fits `tokenizer`."""
    token_id = tokenizer.convert_tokens_to_ids
    return Qwen3VLConfig(
        vision_config=dict(VISION),
        text_config={**TEXT, "vocab_size": len(tokenizer), "tie_word_embeddings": True},
        tie_word_embeddings=True,
        image_token_id=token_id("<|image_pad|>"),
        video_token_id=token_id("<|video_pad|>"),
        vision_start_token_id=token_id("<|vision_start|>"),
        vision_end_token_id=token_id("<|vision_end|>"),
        dtype="bfloat16",
    )


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON."""
    path.write_text(json.dumps(value, indent=2) + "\n")
