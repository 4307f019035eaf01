"""The sizes of a LLaVA-OneVision encoder, read from the model's configuration and processor."""

from __future__ import annotations

from typing import Any

from evscli.models.contract import VisionShape
from evscli.models.parts.shape import ACTIVATION, config_values, refuse_other
from evscli.models.parts.values import COUNT

MERGE = 2
"""Half of the patches along a side, rounded up, are tokens."""

COUNTS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "image_size",
    "patch_size",
)


def llava_shape(config: Any, processor: Any, *, model: str) -> VisionShape:
    """Read the sizes of a LLaVA-OneVision model's configuration.

    Raises ModelError for a value that no tower can have, for another tower than SigLIP's, and for
    another model's processor.
    """
    vision = config.vision_config
    check(config, model)
    size = {"height": vision.image_size, "width": vision.image_size}
    refuse_other("size", dict(processor.size), size, model=model)
    return VisionShape(
        embed_dim=int(config.text_config.hidden_size),
        planes=0,
        width=int(vision.hidden_size),
        heads=int(vision.num_attention_heads),
        depth=max(read_after(config)) + 1,
        patch_size=int(vision.patch_size),
        temporal_patch_size=1,
        merge_size=MERGE,
        suffix_tokens=1,
    )


def read_after(config: Any) -> tuple[int, ...]:
    """Return the blocks whose outputs are projected, counted from 0.

    The configuration counts what goes into the first block too, and counts from the end as well.
    """
    chosen = config.vision_feature_layer
    layers = [chosen] if isinstance(chosen, int) else list(chosen)
    states = config.vision_config.num_hidden_layers + 1
    return tuple((layer + states if layer < 0 else layer) - 1 for layer in layers)


def check(config: Any, model: str) -> None:
    """Raise ModelError for values that no tower can have."""
    vision = config.vision_config
    whole = config_values(config, model, within="")
    saved = config_values(vision, model, within="vision_config.")
    if vision.model_type != "siglip_vision_model":
        raise saved.refuse("model_type", vision.model_type, "which must be siglip_vision_model")
    for key in COUNTS:
        saved.check(key, getattr(vision, key), COUNT)
    saved.check("hidden_act", vision.hidden_act, ACTIVATION)
    heads, width = vision.num_attention_heads, vision.hidden_size
    if width % heads:
        raise saved.refuse("num_attention_heads", heads, f"which must divide hidden_size {width}")
    if vision.patch_size > vision.image_size:
        raise saved.refuse("patch_size", vision.patch_size, "which is more than image_size")
    if config.vision_feature_select_strategy != "full":
        raise whole.refuse(
            "vision_feature_select_strategy",
            config.vision_feature_select_strategy,
            "which must be full: SigLIP has no class token to leave out",
        )
    depth = vision.num_hidden_layers
    if not all(0 <= number < depth for number in read_after(config)):
        raise whole.refuse(
            "vision_feature_layer",
            config.vision_feature_layer,
            f"which must name outputs of the {depth} blocks",
        )
