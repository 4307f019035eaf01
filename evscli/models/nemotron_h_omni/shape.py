"""The sizes of a Nemotron-Omni encoder, read from the model's configuration and its processor."""

from __future__ import annotations

from typing import Any

from evscli.models.contract import VisionShape
from evscli.models.parts.shape import ACTIVATION, config_values, refuse_other
from evscli.models.parts.values import COUNT, POSITIVE

COUNTS = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "patch_size",
    "max_img_size",
    "num_cls_tokens",
    "video_temporal_patch_size",
)
CHANNELS = 3


def nemotron_shape(config: Any, processor: Any, *, model: str) -> VisionShape:
    """Read the sizes of a Nemotron-Omni model's configuration.

    Raises ModelError for a value that no tower can have, and for another model's processor.
    """
    vision = config.vision_config
    check(config, model)
    refuse_other("patch_size", processor.patch_size, vision.patch_size, model=model)
    refuse_other(
        "downsample_ratio", processor.downsample_ratio, config.downsample_ratio, model=model
    )
    return VisionShape(
        embed_dim=int(config.text_config.hidden_size),
        planes=0,
        width=int(vision.hidden_size),
        heads=int(vision.num_attention_heads),
        depth=int(vision.num_hidden_layers),
        patch_size=int(vision.patch_size),
        temporal_patch_size=int(config.video_temporal_patch_size),
        merge_size=merge_of(config),
    )


def merge_of(config: Any) -> int:
    """Return the patches along a side of the window that becomes a token."""
    return round(1 / float(config.downsample_ratio))


def check(config: Any, model: str) -> None:
    """Raise ModelError for values that no tower can have."""
    vision = config.vision_config
    whole = config_values(config, model, within="")
    saved = config_values(vision, model, within="vision_config.")
    if vision.model_type != "radio":
        raise saved.refuse("model_type", vision.model_type, "which must be radio")
    for key in COUNTS:
        saved.check(key, getattr(vision, key), COUNT)
    whole.check("projector_hidden_size", config.projector_hidden_size, COUNT)
    saved.check("mlp_ratio", vision.mlp_ratio, POSITIVE)
    saved.check("hidden_act", vision.hidden_act, ACTIVATION)
    heads, width = vision.num_attention_heads, vision.hidden_size
    if width % heads:
        raise saved.refuse("num_attention_heads", heads, f"which must divide hidden_size {width}")
    if vision.patch_size > vision.max_img_size:
        raise saved.refuse("patch_size", vision.patch_size, "which is more than max_img_size")
    if vision.num_channels != CHANNELS:
        raise saved.refuse("num_channels", vision.num_channels, "which must be 3")
    if vision.layerscale_value != 1:
        raise saved.refuse(
            "layerscale_value",
            vision.layerscale_value,
            "which must be 1: files may lack the scales",
        )
    if config.vision_hidden_size != width:
        raise whole.refuse(
            "vision_hidden_size",
            config.vision_hidden_size,
            f"which must be the vision tower's hidden_size {width}",
        )
    ratio = config.downsample_ratio
    if not (0 < ratio <= 1 and ratio * merge_of(config) == 1):
        raise whole.refuse("downsample_ratio", ratio, "which must be one over a whole number")
