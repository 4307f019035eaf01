"""VideoLLaMA3: tiny blocks of 14-pixel patches, windows of 2x2, and its own compression."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import PretrainedConfig, VideoLlama3Config
from transformers.models.video_llama_3.processing_video_llama_3 import VideoLlama3Processor
from transformers.video_utils import VideoMetadata

from evscli.encoders.processor import import_class
from evscli.records import PrunedVideo
from tests.families.case import Case
from tests.families.llava_onevision import positions, text_config

MODULE = "transformers.models.video_llama_3.video_processing_video_llama_3"
TOKENS = ("<|image_pad|>",)
smart_resize = import_class(f"{MODULE}:smart_resize")


def config(tokenizer: Any) -> PretrainedConfig:
    """A tiny model."""
    return VideoLlama3Config(
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "patch_size": 14,
            "initializer_range": 0.2,
        },
        text_config=text_config(tokenizer),
        image_token_id=tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video_pad|>"),
    )


def own_inputs(
    model: Any,
    tokenizer: Any,
    record: PrunedVideo,
    frames: Tensor,
    messages: Any,
    *,
    compressed: bool = False,
) -> dict[str, Any]:
    """What the processor makes of a video, `compressed` as it does by itself or with all tokens."""
    del model
    resized = interpolate(frames, record.info.resized_size, mode="bicubic", antialias=True).float()
    t, h, w = record.info.grid_thw
    blocks = ((resized - 127.5) / 127.5).view(t, 3, h, 2, 14, w, 2, 14)
    pixels = blocks.permute(0, 2, 5, 3, 6, 1, 4, 7).reshape(4 * t * h * w, -1)
    inputs = {
        "pixel_values_videos": pixels,
        "video_grid_thw": torch.tensor([[t, 2 * h, 2 * w]]),
        "video_merge_sizes": torch.tensor([2]),
    }
    mask = torch.ones(t * h * w, dtype=torch.bool)
    if compressed:
        mask = import_class(f"{MODULE}:VideoLlama3VideoProcessor")()._get_compression_mask(**inputs)
    inputs["video_compression_mask"] = mask
    metadata = VideoMetadata(
        total_num_frames=record.info.source_frames,
        fps=record.info.source_fps,
        frames_indices=record.source_index.tolist(),
    )
    processor = object.__new__(VideoLlama3Processor)
    processor.video_token = "<|video_pad|>"
    video = processor.replace_video_token({**inputs, "video_metadata": [metadata]}, 0)
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    ids = tokenizer(text.replace("<|video_pad|>", video), return_tensors="pt").input_ids
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), **inputs}


CASES = (
    Case(
        model_type="video_llama_3",
        config=config,
        processor={
            "video_processor_type": "VideoLlama3VideoProcessor",
            "size": {"shortest_edge": 4 * 28 * 28, "longest_edge": 12 * 84 * 84},
        },
        own_inputs=own_inputs,
        positions=positions,
        counted=True,
        pad="<|video_pad|>",
        own_frames=lambda own, about: own.sample_frames(about, fps=1),
        own_size=lambda own, frames, height, width: smart_resize(
            height,
            width,
            min_pixels=own.size["shortest_edge"],
            max_pixels=own.size["longest_edge"] // frames,
        ),
        tokens=TOKENS,
        template=lambda text: text.replace(
            "<|vision_start|><|video_pad|><|vision_end|>", "<|video_pad|>\n"
        ),
        refused=(
            (("vision_config", "num_attention_heads"), 5, "num_attention_heads 5, which must div"),
            (("vision_config", "num_channels"), 1, "num_channels 1, which must be 3"),
            (("vision_config", "hidden_act"), "swish2", "hidden_act .* which must be an activat"),
            (("vision_config", "patch_size"), 16, "its video processor has patch_size 14"),
            (
                ("vision_config", "rope_parameters"),
                {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0},
                "whose rope_type must be axial",
            ),
        ),
    ),
)
