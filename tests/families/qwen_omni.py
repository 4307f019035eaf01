"""The thinkers of Qwen2.5-Omni and Qwen3-Omni: tiny ones, with a sound encoder of one layer."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import CONFIG_MAPPING, PretrainedConfig
from transformers.models.qwen2_5_omni.processing_qwen2_5_omni import Qwen2_5OmniProcessor
from transformers.models.qwen3_omni_moe.processing_qwen3_omni_moe import Qwen3OmniMoeProcessor

from evscli.encoders.processor import import_class
from evscli.records import PrunedVideo
from tests.checkpoints import QWEN2_5_VIDEO_PROCESSOR, QWEN2_5_VISION, QWEN3_VISION
from tests.families.case import Case

smart_resize = import_class("transformers.models.qwen2_vl.video_processing_qwen2_vl:smart_resize")
FPS = 2.0
SECOND = {
    "image": "<|IMAGE|>",
    "video": "<|VIDEO|>",
    "audio": "<|AUDIO|>",
    "vision_bos": "<|vision_bos|>",
    "vision_eos": "<|vision_eos|>",
    "audio_bos": "<|audio_bos|>",
    "audio_eos": "<|audio_eos|>",
}
THIRD = {
    "image": "<|image_pad|>",
    "video": "<|video_pad|>",
    "audio": "<|audio_pad|>",
    "vision_bos": "<|vision_start|>",
    "vision_eos": "<|vision_end|>",
    "audio_bos": "<|audio_start|>",
    "audio_eos": "<|audio_end|>",
}
TOKENS = {"qwen2_5_omni_thinker": SECOND, "qwen3_omni_moe_thinker": THIRD}
PROCESSORS = {
    "qwen2_5_omni_thinker": Qwen2_5OmniProcessor,
    "qwen3_omni_moe_thinker": Qwen3OmniMoeProcessor,
}
SIZES = {"qwen2_5_omni_thinker": 28, "qwen3_omni_moe_thinker": 32}
"""The side of a token in pixels by which the processors bound frames."""
MELS = 16
SOUND = {
    "num_mel_bins": MELS,
    "encoder_layers": 1,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "d_model": 16,
    "output_dim": 48,
    "initializer_range": 0.2,
}
VISION = {name: value for name, value in QWEN2_5_VISION.items() if name != "tokens_per_second"}
TEXT = {
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.2,
    "rope_parameters": {
        "rope_type": "default",
        "rope_theta": 10000.0,
        "mrope_section": [2, 2, 2],
    },
}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}


def config(model_type: str, tokenizer: Any) -> PretrainedConfig:
    """A tiny thinker."""
    marks = {name: tokenizer.convert_tokens_to_ids(t) for name, t in TOKENS[model_type].items()}
    third = model_type == "qwen3_omni_moe_thinker"
    suffix = "id" if third else "index"
    made: PretrainedConfig = CONFIG_MAPPING[model_type](
        vision_config=dict(QWEN3_VISION if third else VISION),
        audio_config={**SOUND, **({"downsample_hidden_size": 4} if third else {})},
        text_config={
            **TEXT,
            **(EXPERTS if third else {}),
            "vocab_size": len(tokenizer),
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
        },
        vision_start_token_id=marks["vision_bos"],
        audio_start_token_id=marks["audio_bos"],
        audio_end_token_id=marks["audio_eos"],
        position_id_per_seconds=13 if third else 25,
        **{f"{kind}_token_{suffix}": marks[kind] for kind in ("image", "video", "audio")},
    )
    return made


def own_processor(model: Any, pixels: Tensor, grid: Tensor) -> Any:
    """The whole processor with the model's tokens, and a video processor that gives `pixels`."""
    model_type = model.config.model_type
    processor = object.__new__(PROCESSORS[model_type])
    for name, token in TOKENS[model_type].items():
        setattr(processor, f"{name}_token", token)

    class Prepared(SimpleNamespace):
        """A video processor that has done its work."""

        def __call__(self, _videos: Any, **_: Any) -> dict[str, Tensor]:
            """Return what it made."""
            return {"pixel_values_videos": pixels, "video_grid_thw": grid}

    vision = model.config.vision_config
    processor.video_processor = Prepared(
        temporal_patch_size=vision.temporal_patch_size, merge_size=vision.spatial_merge_size
    )
    return processor


def own_pixels(record: PrunedVideo, frames: Tensor) -> tuple[Tensor, Tensor]:
    """The patches of frames [F, 3, H, W] and their grid [1, 3]."""
    resized = interpolate(frames, record.info.resized_size, mode="bicubic", antialias=True).float()
    mean, std = (
        torch.tensor(QWEN2_5_VIDEO_PROCESSOR[f"image_{name}"]).view(3, 1, 1) * 255
        for name in ("mean", "std")
    )
    t, h, w = record.info.grid_thw
    size = record.info.model.patch_size
    blocks = ((resized - mean) / std).view(t, 2, 3, h, 2, size, w, 2, size)
    pixels = blocks.permute(0, 3, 6, 4, 7, 2, 1, 5, 8).reshape(4 * t * h * w, -1)
    return pixels, torch.tensor([[t, 2 * h, 2 * w]])


def own_inputs(
    model: Any, tokenizer: Any, record: PrunedVideo, frames: Tensor, messages: Any
) -> dict[str, Any]:
    """What the processor makes of a video without sound: its own text, times and pixels."""
    processor = own_processor(model, *own_pixels(record, frames))
    made, texts = processor._process_videos(
        [None], load_audio_from_video=False, videos_kwargs={"fps": FPS}
    )
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    ids = tokenizer(text.replace(processor.video_token, texts[0]), return_tensors="pt").input_ids
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        **made,
        "video_second_per_grid": torch.tensor(made["video_second_per_grid"]),
    }


def positions(model: Any, own: Mapping[str, Any]) -> Tensor:
    """The model's own [3, 1, S]."""
    found: Tensor = model.get_rope_index(
        own["input_ids"],
        video_grid_thw=own["video_grid_thw"],
        attention_mask=own["attention_mask"],
        second_per_grids=own["video_second_per_grid"],
    )[0]
    return found


def case(model_type: str, cell: int) -> Case:
    """The case of a model whose tokens are of `cell` pixels along a side in its vision tower."""
    marks = TOKENS[model_type]
    token = SIZES[model_type] ** 2
    return Case(
        model_type=model_type,
        config=lambda tokenizer: config(model_type, tokenizer),
        processor={**QWEN2_5_VIDEO_PROCESSOR, "patch_size": cell // 2},
        own_inputs=own_inputs,
        positions=positions,
        pad=marks["video"],
        own_frames=lambda own, about: own.sample_frames(about, fps=FPS),
        own_size=lambda _own, _frames, height, width: smart_resize(
            height,
            width,
            factor=cell,
            min_pixels=128 * token,
            max_pixels=768 * token,
        ),
        tokens=tuple(marks.values()),
        template=lambda text: text.replace(
            "<|vision_start|><|video_pad|><|vision_end|>",
            f"{marks['vision_bos']}{marks['video']}{marks['vision_eos']}",
        ),
        older=lambda name: f"thinker.{name}",
        refused=(
            (("vision_config", "num_heads"), 5, "num_heads 5, which must divide hidden_size"),
            (("position_id_per_seconds",), 0, "position_id_per_seconds 0, which must be a number"),
            REFUSED[model_type],
        ),
    )


REFUSED = {
    "qwen2_5_omni_thinker": (("seconds_per_chunk",), 3, "seconds_per_chunk 3, which must be 2"),
    "qwen3_omni_moe_thinker": (("audio_config", "n_window"), 9, "n_window 9, which must be 50"),
}
CASES = (case("qwen2_5_omni_thinker", 28), case("qwen3_omni_moe_thinker", 16))
