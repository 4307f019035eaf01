"""The sizes of a SmolVLM2 encoder, read from the model's configuration and its processor."""

from __future__ import annotations

from typing import Any

from evscli.models.contract import VisionShape
from evscli.models.parts.shape import ACTIVATION, config_values, refuse_other
from evscli.models.parts.values import COUNT

COUNTS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "image_size",
    "patch_size",
)


def smol_shape(config: Any, processor: Any, *, model: str) -> VisionShape:
    """Read the sizes of a SmolVLM2 model's configuration.

    Raises ModelError for a value that no tower can have, and for another model's processor.
    """
    vision = config.vision_config
    check(config, model)
    size = {"longest_edge": vision.image_size}
    refuse_other("max_image_size", processor.max_image_size, size, model=model)
    return VisionShape(
        embed_dim=int(config.text_config.hidden_size),
        planes=0,
        width=int(vision.hidden_size),
        heads=int(vision.num_attention_heads),
        depth=int(vision.num_hidden_layers),
        patch_size=int(vision.patch_size),
        temporal_patch_size=1,
        merge_size=int(config.scale_factor),
    )


def check(config: Any, model: str) -> None:
    """Raise ModelError for values that no tower can have."""
    vision = config.vision_config
    whole = config_values(config, model, within="")
    saved = config_values(vision, model, within="vision_config.")
    for key in COUNTS:
        saved.check(key, getattr(vision, key), COUNT)
    saved.check("hidden_act", vision.hidden_act, ACTIVATION)
    if vision.num_channels != 3:
        raise saved.refuse("num_channels", vision.num_channels, "which must be 3")
    heads, width = vision.num_attention_heads, vision.hidden_size
    if width % heads:
        raise saved.refuse("num_attention_heads", heads, f"which must divide hidden_size {width}")
    factor, side = config.scale_factor, vision.image_size // vision.patch_size
    whole.check("scale_factor", factor, COUNT)
    if not side or side % factor:
        raise whole.refuse(
            "scale_factor", factor, f"which must divide the {side} patches along a side"
        )
