"""The sizes of an InternVL encoder, read from the model's configuration and its processor."""

from __future__ import annotations

from typing import Any

from evscli.models.contract import VisionShape
from evscli.models.parts.shape import ACTIVATION, config_values, refuse_other
from evscli.models.parts.values import COUNT, Want

COUNTS = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
SQUARE = Want(
    "two equal whole numbers above 0",
    lambda value: len({*value}) == 1 and len(value) == 2 and COUNT.fits(value[0]),
)


def intern_shape(config: Any, processor: Any, *, model: str) -> VisionShape:
    """Read the sizes of an InternVL model's configuration.

    Raises ModelError for a value that no tower can have, and for another model's processor.
    """
    vision = config.vision_config
    check(config, model)
    size = {"height": vision.image_size[0], "width": vision.image_size[1]}
    refuse_other("size", dict(processor.size), size, model=model)
    return VisionShape(
        embed_dim=int(config.text_config.hidden_size),
        planes=0,
        width=int(vision.hidden_size),
        heads=int(vision.num_attention_heads),
        depth=read_after(config) + 1,
        patch_size=int(vision.patch_size[0]),
        temporal_patch_size=1,
        merge_size=merge_of(config),
    )


def read_after(config: Any) -> int:
    """Return the block whose output is projected, counted from 0.

    The configuration counts what goes into the first block too, and counts from the end as well.
    """
    layer = config.vision_feature_layer
    states = config.vision_config.num_hidden_layers + 1
    return int(layer + states if layer < 0 else layer) - 1


def merge_of(config: Any) -> int:
    """Return the patches along a side of the window that becomes a token."""
    return round(1 / float(config.downsample_ratio))


def check(config: Any, model: str) -> None:
    """Raise ModelError for values that no tower can have."""
    vision = config.vision_config
    whole = config_values(config, model, within="")
    saved = config_values(vision, model, within="vision_config.")
    for key in COUNTS:
        saved.check(key, getattr(vision, key), COUNT)
    for key in ("image_size", "patch_size"):
        saved.check(key, getattr(vision, key), SQUARE)
    saved.check("hidden_act", vision.hidden_act, ACTIVATION)
    heads, width = vision.num_attention_heads, vision.hidden_size
    if width % heads:
        raise saved.refuse("num_attention_heads", heads, f"which must divide hidden_size {width}")
    ratio = config.downsample_ratio
    if not (0 < ratio <= 1 and ratio * merge_of(config) == 1):
        raise whole.refuse("downsample_ratio", ratio, "which must be one over a whole number")
    side = vision.image_size[0] // vision.patch_size[0]
    if not side or side % merge_of(config):
        raise whole.refuse(
            "downsample_ratio", ratio, f"which must divide the {side} patches along a side"
        )
    if config.vision_feature_select_strategy != "default":
        raise whole.refuse(
            "vision_feature_select_strategy",
            config.vision_feature_select_strategy,
            "which must be default, without the class token",
        )
    layer, depth = config.vision_feature_layer, vision.num_hidden_layers
    if not isinstance(layer, int) or not 0 <= read_after(config) < depth:
        raise whole.refuse(
            "vision_feature_layer", layer, f"which must name the output of one of {depth} blocks"
        )
