"""The model families evs can encode with, chosen by a checkpoint's `model_type`.

Only names: the classes behind them are imported when a checkpoint is loaded, so this module
needs neither torch nor transformers, and a family that the installed transformers lacks does not
keep the others from working.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec

from evscli.errors import ModelError

QWEN2_PROCESSOR = "transformers.models.qwen2_vl.video_processing_qwen2_vl:Qwen2VLVideoProcessor"
QWEN3_PROCESSOR = "transformers.models.qwen3_vl.video_processing_qwen3_vl:Qwen3VLVideoProcessor"
MOLMO2_PROCESSOR = "transformers.models.molmo2.video_processing_molmo2:Molmo2VideoProcessor"


@dataclass(frozen=True, kw_only=True)
class Family:
    """Where the parts of one model family are found, each written `module:name`."""

    summary: str
    vision: str
    """The vision tower's class in transformers, or one of evs made of their classes."""
    video_processor: str
    """The video processor's class in transformers, where a checkpoint does not name another."""
    tower: str
    """What of evs runs the vision tower on batched frames: a `Tower` of (tower, grid)."""
    shape: str = "evscli.encoders.shape:qwen_shape"
    """What of evs reads the sizes: (configuration, processor) to a `VisionShape`."""
    rules: str = "evscli.encoders.rules:ProcessorRules"
    """What of evs asks the processor for frames and sizes: of (processor, sampling)."""
    pixels: str = "evscli.encoders.preprocess:pixel_format"
    """What of evs makes its pixels: (processor, model) to a `PixelFormat`."""
    other_processor: str | None = None
    """Another video processor's class that `rules` and `pixels` are for as well."""
    own_fps: float | None = None
    """Frames per second where the processor samples none: its users sample before it."""
    since: str | None = None
    """The first release of transformers that has it, where that is newer than what evs needs."""
    whole_config: bool = False
    """Whether `vision` is made of the whole model's configuration, not of its vision part."""


FAMILIES: Mapping[str, Family] = {
    "qwen2_5_vl": Family(
        summary="Qwen2.5-VL: windowed vision attention, 14-pixel patches",
        vision="transformers.models.qwen2_5_vl.modeling_qwen2_5_vl:"
        "Qwen2_5_VisionTransformerPretrainedModel",
        video_processor=QWEN2_PROCESSOR,
        other_processor=QWEN3_PROCESSOR,
        tower="evscli.encoders.qwen2_5_vl:Qwen25Tower",
        own_fps=2.0,
    ),
    "qwen3_vl": Family(
        summary="Qwen3-VL, dense: DeepStack planes, 16-pixel patches, timestamps in the prompt",
        vision="transformers.models.qwen3_vl.modeling_qwen3_vl:Qwen3VLVisionModel",
        video_processor=QWEN3_PROCESSOR,
        other_processor=QWEN2_PROCESSOR,
        tower="evscli.encoders.qwen3_vl:Qwen3Tower",
    ),
    "qwen3_vl_moe": Family(
        summary="Qwen3-VL, mixture of experts: the vision tower of the dense models",
        vision="transformers.models.qwen3_vl_moe.modeling_qwen3_vl_moe:Qwen3VLMoeVisionModel",
        video_processor=QWEN3_PROCESSOR,
        other_processor=QWEN2_PROCESSOR,
        tower="evscli.encoders.qwen3_vl:Qwen3Tower",
    ),
    "molmo2": Family(
        summary="Molmo2: SigLIP2 at 378 pixels, windows of 3x3 patches, frames one by one "
        "(transformers 5.20 or newer)",
        vision="evscli.encoders.molmo2:Molmo2Vision",
        video_processor=MOLMO2_PROCESSOR,
        tower="evscli.encoders.molmo2:Molmo2Tower",
        shape="evscli.encoders.shape:molmo2_shape",
        rules="evscli.encoders.molmo2_rules:Molmo2Rules",
        pixels="evscli.encoders.molmo2_pixels:molmo2_pixels",
        whole_config=True,
        since="5.20",
    ),
}


def list_families() -> dict[str, str]:
    """Supported `model_type` -> one-line summary."""
    return {model_type: family.summary for model_type, family in FAMILIES.items()}


def family_of(model_type: object, *, model: str) -> Family:
    """The family of a checkpoint.

    Raises ModelError for a type evs does not support, or the installed transformers does not.
    """
    if isinstance(model_type, str) and model_type in FAMILIES:
        require_installed(model_type, model=model)
        return FAMILIES[model_type]
    raise ModelError(
        f"{model}: model type {model_type!r} is not supported; "
        f"use a checkpoint of type {', '.join(FAMILIES)}"
    )


def require_installed(model_type: str, *, model: str) -> None:
    """Raise ModelError where the installed transformers is older than a supported family."""
    since = FAMILIES[model_type].since
    if since is not None and find_spec(f"transformers.models.{model_type}") is None:
        raise ModelError(
            f"{model}: model type {model_type!r} needs transformers {since} or newer, and "
            f"{version('transformers')} is installed; run pip install -U 'transformers>={since}'"
        )
