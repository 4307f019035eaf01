"""The sizes of a vision encoder, read from a checkpoint's configuration and video processor.

Knows no weights.
"""

from __future__ import annotations

from typing import Any

from transformers.activations import ACT2FN

from evscli.errors import ModelError
from evscli.models.contract import VisionShape
from evscli.models.parts.values import COUNT, POSITIVE, SavedValues, Want

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
ACTIVATION = Want(
    "an activation that transformers has, such as silu", lambda value: value in ACT2FN
)


def qwen_shape(config: Any, processor: Any, *, model: str) -> VisionShape:
    """Read the sizes of a Qwen vision tower's configuration.

    Raises ModelError for a value that no tower can have, and for another one's processor.
    """
    _check_qwen(config, config_values(config, model, within="vision_config."))
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
    window = getattr(config, "window_size", None)
    cell = config.patch_size * config.spatial_merge_size
    if window is not None and window < cell:
        raise saved.refuse(
            "window_size", window, f"which must be {cell} at least: a token's pixels"
        )


def config_values(config: Any, model: str, *, within: str) -> SavedValues:
    """Return the values of a configuration, for messages; `within` leads to it in config.json."""
    return SavedValues(model=model, file="config.json", values=config.to_dict(), within=within)
