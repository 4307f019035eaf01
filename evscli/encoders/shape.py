"""The sizes of a vision encoder, read from a checkpoint's configuration and video processor.

Knows no weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transformers.activations import ACT2FN

from evscli.encoders.values import COUNT, POSITIVE, SavedValues, Want, is_count
from evscli.errors import ModelError

MOLMO2_POOLING = (3, 3)
"""Patches down and across in the window that becomes one token of a video."""


QWEN_COUNTS = (
    "depth",
    "hidden_size",
    "intermediate_size",
    "num_heads",
    "in_channels",
    "patch_size",
    "temporal_patch_size",
    "spatial_merge_size",
    "out_hidden_size",
    "num_position_embeddings",
    "window_size",
    "tokens_per_second",
)
MOLMO2_COUNTS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "patch_size",
)
ACTIVATION = Want(
    "an activation that transformers has, such as silu", lambda value: value in ACT2FN
)
SIDES = Want(
    "two whole numbers above 0",
    lambda value: (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(is_count(side) for side in value)
    ),
)


@dataclass(frozen=True, kw_only=True)
class VisionShape:
    """What the rest of evs must know of an encoder's sizes."""

    embed_dim: int
    """Of a token."""
    planes: int
    """DeepStack planes."""
    width: int
    """Of hidden states."""
    heads: int
    depth: int
    """Blocks."""
    patch_size: int
    temporal_patch_size: int
    merge_size: int
    """Patches along a side of the window that becomes a token."""
    tokens_per_second: float | None = None


def qwen_shape(config: Any, processor: Any, *, model: str) -> VisionShape:
    """Of a Qwen vision tower's configuration.

    Raises ModelError for a value that no tower can have, and for another one's processor.
    """
    _check_qwen(config, _saved(config, model, within="vision_config."))
    for name, expected in (
        ("patch_size", config.patch_size),
        ("temporal_patch_size", config.temporal_patch_size),
        ("merge_size", config.spatial_merge_size),
    ):
        refuse_other(name, getattr(processor, name), expected, model=model)
    rate = getattr(config, "tokens_per_second", None)
    return VisionShape(
        embed_dim=int(config.out_hidden_size),
        planes=len(getattr(config, "deepstack_visual_indexes", ())),
        width=int(config.hidden_size),
        heads=int(config.num_heads),
        depth=int(config.depth),
        patch_size=int(config.patch_size),
        temporal_patch_size=int(config.temporal_patch_size),
        merge_size=int(config.spatial_merge_size),
        tokens_per_second=None if rate is None else float(rate),
    )


def molmo2_shape(config: Any, processor: Any, *, model: str) -> VisionShape:
    """Of a Molmo2 model's configuration.

    Raises ModelError for a value that no tower can have, and for another one's processor.
    """
    vision = config.vision_config
    _check_molmo2(config, model)
    refuse_other("patch_size", processor.patch_size, vision.patch_size, model=model)
    size = [processor.size["height"], processor.size["width"]]
    refuse_other("size", size, list(vision.image_size), model=model)
    refuse_other("pooling_size", list(processor.pooling_size), list(MOLMO2_POOLING), model=model)
    pooling = MOLMO2_POOLING[0]
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


def refuse_other(name: str, found: object, expected: object, *, model: str) -> None:
    """Raise ModelError where a processor's value is not what the vision tower was made for."""
    if found != expected:
        raise ModelError(
            f"{model}: its video processor has {name} {found} but its vision tower {expected} "
            "(config.json); use the processor configuration of this model"
        )


def _check_qwen(config: Any, saved: SavedValues) -> None:
    for key in QWEN_COUNTS:
        if hasattr(config, key):
            saved.check(key, getattr(config, key), COUNT)
    saved.check("hidden_act", config.hidden_act, ACTIVATION)
    heads, width = config.num_heads, config.hidden_size
    if width % heads or width // heads % 4:
        raise saved.refuse(
            "num_heads", heads, f"which must divide hidden_size {width} into multiples of 4"
        )
    head_dim = getattr(config, "head_dim", None)
    if head_dim not in (None, width // heads):
        raise saved.refuse("head_dim", head_dim, f"which must be {width // heads} or absent")
    theta = (getattr(config, "rope_parameters", None) or {}).get("rope_theta", 1)
    saved.check("rope_parameters.rope_theta", theta, POSITIVE)
    blocks = list(getattr(config, "deepstack_visual_indexes", ()))
    if blocks != sorted({*blocks} & {*range(config.depth)}):
        raise saved.refuse(
            "deepstack_visual_indexes",
            blocks,
            f"which must be rising numbers of blocks, 0 to {config.depth - 1}",
        )
    window, cell = (
        getattr(config, "window_size", None),
        config.patch_size * config.spatial_merge_size,
    )
    if window is not None and window < cell:
        raise saved.refuse(
            "window_size", window, f"which must be {cell} at least: a token's pixels"
        )


def _check_molmo2(config: Any, model: str) -> None:
    vision, adapter = config.vision_config, config.adapter_config
    for part, within in ((vision, "vision_config."), (adapter, "adapter_config.")):
        saved = _saved(part, model, within=within)
        for key in MOLMO2_COUNTS:
            if hasattr(part, key):
                saved.check(key, getattr(part, key), COUNT)
        saved.check("hidden_act", part.hidden_act, ACTIVATION)
        heads, groups = part.num_attention_heads, part.num_key_value_heads
        if heads % groups:
            raise saved.refuse("num_key_value_heads", groups, f"which must divide {heads} heads")
    _saved(vision, model, within="vision_config.").check("image_size", vision.image_size, SIDES)


def _saved(config: Any, model: str, *, within: str) -> SavedValues:
    return SavedValues(model=model, file="config.json", values=config.to_dict(), within=within)
