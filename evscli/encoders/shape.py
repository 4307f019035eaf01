"""The sizes of a vision encoder, read from a checkpoint's configuration and video processor.

Knows no weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evscli.errors import ModelError

MOLMO2_POOLING = (3, 3)
"""Patches down and across in the window that becomes one token of a video."""


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
    """Of a Qwen vision tower's configuration. Raises ModelError for another one's processor."""
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
    """Of a Molmo2 model's configuration. Raises ModelError for another one's processor."""
    vision = config.vision_config
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
            f"{model}: its video processor has {name} {found} but its vision tower {expected}; "
            "use the processor configuration of this model"
        )
