"""The sizes of a Molmo2 encoder, read from the model's configuration and its video processor."""

from __future__ import annotations

from typing import Any

from evscli.errors import ModelError
from evscli.models.contract import VisionShape
from evscli.models.parts.shape import ACTIVATION, config_values, refuse_other
from evscli.models.parts.values import COUNT, Want, is_pair

POOLING = (3, 3)
"""Patches down and across in the window that becomes one token of a video."""

COUNTS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "patch_size",
)
SIDES = Want("two whole numbers above 0", is_pair)


def molmo2_shape(config: Any, processor: Any, *, model: str) -> VisionShape:
    """Read the sizes of a Molmo2 model's configuration.

    Raises ModelError for a value that no tower can have, and for another one's processor.
    """
    vision = config.vision_config
    _check(config, model)
    refuse_other("patch_size", processor.patch_size, vision.patch_size, model=model)
    size = [processor.size["height"], processor.size["width"]]
    refuse_other("size", size, list(vision.image_size), model=model)
    refuse_other("pooling_size", list(processor.pooling_size), list(POOLING), model=model)
    pooling = POOLING[0]
    if size[0] // vision.patch_size % pooling:
        raise ModelError(
            f"{model}: {size[0] // vision.patch_size} patches along a side cannot be pooled by "
            f"windows of {pooling}; use the processor configuration of this model"
        )
    return VisionShape(
        embed_dim=int(config.adapter_config.text_hidden_size),
        planes=0,
        width=int(vision.hidden_size),
        heads=int(vision.num_attention_heads),
        depth=int(vision.num_hidden_layers),
        patch_size=int(vision.patch_size),
        temporal_patch_size=1,
        merge_size=int(pooling),
    )


def _check(config: Any, model: str) -> None:
    vision, adapter = config.vision_config, config.adapter_config
    for part, within in ((vision, "vision_config."), (adapter, "adapter_config.")):
        saved = config_values(part, model, within=within)
        for key in COUNTS:
            if hasattr(part, key):
                saved.check(key, getattr(part, key), COUNT)
        saved.check("hidden_act", part.hidden_act, ACTIVATION)
        heads, groups = part.num_attention_heads, part.num_key_value_heads
        if heads % groups:
            raise saved.refuse("num_key_value_heads", groups, f"which must divide {heads} heads")
    config_values(vision, model, within="vision_config.").check(
        "image_size", vision.image_size, SIDES
    )
