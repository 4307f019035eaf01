"""The sizes of a VideoLLaMA3 encoder, read from the model's configuration and its processor."""

from __future__ import annotations

from typing import Any

from evscli.models.contract import VisionShape
from evscli.models.parts.shape import ACTIVATION, config_values, refuse_other
from evscli.models.parts.values import COUNT, POSITIVE

MERGE = 2
"""Patches along a side of the window that becomes a token of a video."""

COUNTS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "patch_size",
)


def video_llama_shape(config: Any, processor: Any, *, model: str) -> VisionShape:
    """Read the sizes of a VideoLLaMA3 model's configuration.

    Raises ModelError for a value that no tower can have, and for another model's processor.
    """
    vision = config.vision_config
    check(config, model)
    refuse_other("patch_size", processor.patch_size, vision.patch_size, model=model)
    refuse_other("temporal_patch_size", processor.temporal_patch_size, 1, model=model)
    refuse_other("merge_size", processor.merge_size, MERGE, model=model)
    return VisionShape(
        embed_dim=int(config.text_config.hidden_size),
        planes=0,
        width=int(vision.hidden_size),
        heads=int(vision.num_attention_heads),
        depth=int(vision.num_hidden_layers),
        patch_size=int(vision.patch_size),
        temporal_patch_size=1,
        merge_size=MERGE,
    )


def check(config: Any, model: str) -> None:
    """Raise ModelError for values that no tower can have."""
    vision = config.vision_config
    saved = config_values(vision, model, within="vision_config.")
    for key in COUNTS:
        saved.check(key, getattr(vision, key), COUNT)
    saved.check("hidden_act", vision.hidden_act, ACTIVATION)
    if vision.num_channels != 3:
        raise saved.refuse("num_channels", vision.num_channels, "which must be 3")
    heads, width = vision.num_attention_heads, vision.hidden_size
    if width % heads or width // heads % 4:
        raise saved.refuse(
            "num_attention_heads",
            heads,
            f"which must divide hidden_size {width} into multiples of 4",
        )
    rope = vision.rope_parameters
    saved.check("rope_parameters.rope_theta", rope.get("rope_theta"), POSITIVE)
    if rope.get("rope_type") != "axial":
        raise saved.refuse("rope_parameters", rope, "whose rope_type must be axial")
