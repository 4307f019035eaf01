"""SmolVLM2: tiny SigLIP of 6x6 patches, windows of 2x2, and frames that are resized twice."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import CONFIG_MAPPING, PretrainedConfig
from transformers.models.smolvlm import processing_smolvlm
from transformers.video_utils import VideoMetadata

from evscli.encoders.processor import import_class
from evscli.models.smolvlm.words import in_words
from evscli.records import PrunedVideo
from tests.families.case import Case
from tests.families.llava_onevision import positions, text_config

SIDE, PATCH, LONGEST = 50, 8, 96
TOKENS = ("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>")
MARKS = {
    "image_seq_len": 9,
    "image_token": "<image>",
    "fake_image_token": "<fake_token_around_image>",
    "global_image_token": "<global-img>",
}
PROCESSOR = "transformers.models.smolvlm.video_processing_smolvlm"
size_between = import_class(f"{PROCESSOR}:get_resize_output_image_size")


def config(tokenizer: Any) -> PretrainedConfig:
    """A tiny model; images are a little larger than their patches, as the 2.2B's are."""
    made: PretrainedConfig = CONFIG_MAPPING["smolvlm"](
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": SIDE,
            "patch_size": PATCH,
            "initializer_range": 0.2,
        },
        text_config=text_config(tokenizer),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
    )
    return made


def own_text(record: PrunedVideo) -> str:
    """The text that the processor writes for a video. It needs num2words for its first number."""
    metadata = VideoMetadata(
        total_num_frames=record.info.source_frames,
        fps=record.info.source_fps,
        duration=record.info.duration,
        frames_indices=record.source_index.tolist(),
    )
    inputs = {
        "pixel_values": torch.empty(1, len(record.source_index)),
        "video_metadata": [metadata],
    }
    processing_smolvlm.num2words = in_words
    text: str = processing_smolvlm.SmolVLMProcessor.replace_video_token(
        SimpleNamespace(**MARKS), inputs, 0
    )
    return text


def own_inputs(
    model: Any, tokenizer: Any, record: PrunedVideo, frames: Tensor, messages: Any
) -> dict[str, Any]:
    """What the processor makes of a video: its own text and template, resize and normalise."""
    del model
    resized = frames
    for size in (size_between(frames, LONGEST), (SIDE, SIDE)):
        resized = interpolate(resized, size, mode="lanczos", antialias=True)
    text = tokenizer.apply_chat_template(
        messages,
        chat_template=processing_smolvlm.DEFAULT_CHAT_TEMPLATE,
        add_generation_prompt=True,
        tokenize=False,
    )
    ids = tokenizer(text.replace("<video>", own_text(record)), return_tensors="pt").input_ids
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "pixel_values": ((resized - 127.5) / 127.5)[None],
        "pixel_attention_mask": torch.ones(1, len(frames), SIDE, SIDE, dtype=torch.long),
    }


CASES = (
    Case(
        model_type="smolvlm",
        config=config,
        processor={
            "image_processor_type": "SmolVLMImageProcessor",
            "resample": 1,
            "size": {"longest_edge": LONGEST},
            "max_image_size": {"longest_edge": SIDE},
            "video_sampling": {"fps": 6, "max_frames": 20, "video_size": {"longest_edge": SIDE}},
        },
        own_inputs=own_inputs,
        positions=positions,
        pad="<image>",
        own_size=lambda *_: (SIDE, SIDE),
        tokens=TOKENS,
        end="<end_of_utterance>",
        refused=(
            (("vision_config", "num_attention_heads"), 5, "num_attention_heads 5, which must div"),
            (("vision_config", "num_channels"), 1, "num_channels 1, which must be 3"),
            (("vision_config", "image_size"), 64, "its video processor has max_image_size"),
            (("scale_factor",), 4, "scale_factor 4, which must divide the 6 patches"),
            (("vision_config", "hidden_act"), "swish2", "hidden_act .* which must be an activat"),
        ),
    ),
)
