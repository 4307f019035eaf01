"""Nemotron-Omni: tiny RADIO on pairs of frames, a Mamba layer and one of attention, and sound."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import CONFIG_MAPPING, PretrainedConfig
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.nemotron_h_omni.processing_nemotron_h_omni import (
    NemotronH_Omni_Reasoning_V3Processor,
)
from transformers.video_utils import VideoMetadata

from evscli.records import PrunedVideo
from tests.families.case import Case
from tests.families.llava_onevision import MEAN, STD, positions

PATCH = 8
TOKENS = ("<image>", "<video>", "<img>", "</img>")
MARKS = {
    "image_start_token": "<img>",
    "image_token": "<image>",
    "image_end_token": "</img>",
    "video_temporal_patch_dim": 2,
}
AUDIO = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "subsampling_conv_channels": 4,
    "num_mel_bins": 8,
    "projection_hidden_size": 16,
    "projection_bias": False,
}


def config(tokenizer: Any) -> PretrainedConfig:
    """A tiny model with the modules of sound, which are not read."""
    made: PretrainedConfig = CONFIG_MAPPING["nemotron_h_omni"](
        vision_config={
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "mlp_ratio": 1.5,
            "patch_size": PATCH,
            "max_img_size": 8 * PATCH,
            "num_cls_tokens": 2,
            "num_registers": 1,
            "video_temporal_patch_size": 2,
            "initializer_range": 0.2,
        },
        text_config={
            "hidden_size": 48,
            "intermediate_size": 64,
            "layers_block_type": ["linear_attention", "full_attention"],
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 12,
            "ssm_state_size": 8,
            "mamba_num_heads": 4,
            "mamba_head_dim": 8,
            "n_groups": 2,
            "chunk_size": 16,
            "initializer_range": 0.2,
            "vocab_size": len(tokenizer),
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
        },
        audio_config=AUDIO,
        vision_hidden_size=32,
        projector_hidden_size=48,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<video>"),
    )
    return made


def own_inputs(
    model: Any, tokenizer: Any, record: PrunedVideo, frames: Tensor, messages: Any
) -> dict[str, Any]:
    """What the processor makes of a video: its own text, resize and normalise.

    The model's own forward cannot join what its encoder returns, one tensor, so that it is given
    the encoder's output as the tuple that it expects.
    """
    size = record.info.resized_size
    resized = interpolate(
        frames.float(), size=size, mode="bicubic", align_corners=False, antialias=True
    )
    mean, std = (torch.tensor(value).view(1, 3, 1, 1) for value in (MEAN, STD))
    with torch.no_grad():
        found = model.get_video_features((resized / 255.0 - mean) / std).pooler_output
    metadata = VideoMetadata(
        total_num_frames=record.info.source_frames,
        fps=record.info.source_fps,
        frames_indices=record.source_index.tolist(),
    )
    video = NemotronH_Omni_Reasoning_V3Processor.replace_video_token(
        SimpleNamespace(**MARKS),
        {"num_tokens": [size[0] * size[1] // (2 * PATCH) ** 2]},
        0,
        num_frames=len(frames),
        video_metadata=metadata,
    )
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    ids = tokenizer(text.replace("<video>", video), return_tensors="pt").input_ids
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "mm_encoder_outputs": {"video": BaseModelOutputWithPooling(pooler_output=tuple(found))},
    }


def own_size(own: Any, _frames: int, height: int, width: int) -> tuple[int, int]:
    """The size that the class gives a frame: patches across, and down."""
    across, down = own._compute_target_patches(height, width)
    return down * PATCH, across * PATCH


CASES = (
    Case(
        model_type="nemotron_h_omni",
        config=config,
        processor={
            "video_processor_type": "NemotronH_Omni_Reasoning_V3VideoProcessor",
            "patch_size": PATCH,
            "video_target_num_patches": 24,
            "norm_mean": MEAN,
            "norm_std": STD,
            "fps": 7,
            "do_sample_frames": True,
        },
        own_inputs=own_inputs,
        positions=positions,
        pad="<image>",
        own_size=own_size,
        tokens=TOKENS,
        template=lambda text: text.replace(
            "<|vision_start|><|video_pad|><|vision_end|>", "<video>"
        ),
        placed=False,
        refused=(
            (("vision_config", "num_attention_heads"), 5, "num_attention_heads 5, which must div"),
            (("vision_config", "num_channels"), 4, "num_channels 4, which must be 3"),
            (("vision_config", "layerscale_value"), 0.5, "layerscale_value 0.5, which must be 1"),
            (("vision_config", "patch_size"), 4, "its video processor has patch_size 8"),
            (("vision_hidden_size",), 16, "which must be the vision tower's hidden_size 32"),
            (("downsample_ratio",), 0.3, "which must be one over a whole number"),
            (("vision_config", "model_type"), "siglip_vision_model", "model_type .*must be radio"),
            (("projector_hidden_size",), 0, "projector_hidden_size 0, which must be a whole"),
        ),
    ),
)
