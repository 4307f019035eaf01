"""The model families evs can encode with, chosen by a checkpoint's `model_type`.

Only names: the classes behind them are imported when a checkpoint is loaded, so this module
needs neither torch nor transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evscli.errors import ModelError


@dataclass(frozen=True, kw_only=True)
class Family:
    """Where the parts of one model family are found, each written `module:name`."""

    summary: str
    vision: str
    """The vision tower's class in transformers, or one of evs made of their classes."""
    video_processor: str
    """The video processor's class in transformers."""
    tower: str
    """What of evs runs the vision tower on batched frames: a `Tower` of (tower, grid)."""
    shape: str = "evscli.encoders.shape:qwen_shape"
    """What of evs reads the sizes: (configuration, processor) to a `VisionShape`."""
    rules: str = "evscli.encoders.rules:ProcessorRules"
    """What of evs asks the processor for frames and sizes: of (processor, sampling)."""
    pixels: str = "evscli.encoders.preprocess:pixel_format"
    """What of evs makes its pixels: (processor, model) to a `PixelFormat`."""
    whole_config: bool = False
    """Whether `vision` is made of the whole model's configuration, not of its vision part."""


FAMILIES: Mapping[str, Family] = {
    "qwen2_5_vl": Family(
        summary="Qwen2.5-VL: windowed vision attention, 14-pixel patches",
        vision="transformers.models.qwen2_5_vl.modeling_qwen2_5_vl:"
        "Qwen2_5_VisionTransformerPretrainedModel",
        video_processor="transformers.models.qwen2_vl.video_processing_qwen2_vl:"
        "Qwen2VLVideoProcessor",
        tower="evscli.encoders.qwen2_5_vl:Qwen25Tower",
    ),
    "qwen3_vl": Family(
        summary="Qwen3-VL, dense: DeepStack planes, 16-pixel patches, timestamps in the prompt",
        vision="transformers.models.qwen3_vl.modeling_qwen3_vl:Qwen3VLVisionModel",
        video_processor="transformers.models.qwen3_vl.video_processing_qwen3_vl:"
        "Qwen3VLVideoProcessor",
        tower="evscli.encoders.qwen3_vl:Qwen3Tower",
    ),
    "qwen3_vl_moe": Family(
        summary="Qwen3-VL, mixture of experts: the vision tower of the dense models",
        vision="transformers.models.qwen3_vl_moe.modeling_qwen3_vl_moe:Qwen3VLMoeVisionModel",
        video_processor="transformers.models.qwen3_vl.video_processing_qwen3_vl:"
        "Qwen3VLVideoProcessor",
        tower="evscli.encoders.qwen3_vl:Qwen3Tower",
    ),
    "molmo2": Family(
        summary="Molmo2: SigLIP2 at 378 pixels, windows of 3x3 patches, frames one by one",
        vision="evscli.encoders.molmo2:Molmo2Vision",
        video_processor="transformers.models.molmo2.video_processing_molmo2:Molmo2VideoProcessor",
        tower="evscli.encoders.molmo2:Molmo2Tower",
        shape="evscli.encoders.shape:molmo2_shape",
        rules="evscli.encoders.molmo2_rules:Molmo2Rules",
        pixels="evscli.encoders.molmo2_pixels:molmo2_pixels",
        whole_config=True,
    ),
}


def list_families() -> dict[str, str]:
    """Supported `model_type` -> one-line summary."""
    return {model_type: family.summary for model_type, family in FAMILIES.items()}


def family_of(model_type: object, *, model: str) -> Family:
    """The family of a checkpoint; raises ModelError for a type evs does not support."""
    if isinstance(model_type, str) and model_type in FAMILIES:
        return FAMILIES[model_type]
    raise ModelError(
        f"{model}: model type {model_type!r} is not supported; "
        f"use a checkpoint of type {', '.join(FAMILIES)}"
    )
