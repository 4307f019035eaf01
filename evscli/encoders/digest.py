"""Digests that say which vision weights and which processor made a token.

The weights' names are taken without the prefix they have inside a checkpoint or model, so a
checkpoint on disk and a vision tower in memory have equal digests. transformers is imported for
older names alone: a serving engine that checks weights has a release of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from evscli.models import FamilySpec
from evscli.models.registry import built_in
from evscli.models.spec import load_name


@dataclass(frozen=True, kw_only=True)
class VisionDigests:
    """Digests of the same vision weights in several dtypes."""

    stored: str
    """The digest of the weights in the dtype they have."""
    bf16: str
    """The digest of the weights rounded to bfloat16, to the nearest and ties to even."""
    is_bf16: bool
    """Whether that rounding changes no weight, so that `bf16` stands for all of their value."""
    f16: str | None
    """The digest of the weights in float16, or None where that does not hold their values."""


def vision_name(key: str, family: FamilySpec) -> str | None:
    """Return the name inside the vision tower of a checkpoint's key, or None for other weights."""
    if family.older_weights is not None and family.older_weights in key:
        from transformers.core_model_loading import rename_source_key

        key, _ = rename_source_key(key, renamings_of(family.model_type), [])
    name = key if family.part is None else key.removeprefix(f"{family.part}.")
    name = name.removeprefix("model.")
    if family.left_out_of_names is not None:
        name = name.replace(family.left_out_of_names, "")
    modules = tuple(f"{module}." for module in (*family.vision_modules, *family.older_modules))
    if name in family.vision_modules:  # a weight by itself
        return name
    # A scorer that was trained with the tower is read on its own.
    if not name.startswith(modules) or "temporal_token_scorer." in name:
        return None
    return name.removeprefix(modules[0]) if len(modules) == 1 else name


def vision_weights(weights: Mapping[str, Tensor], family: FamilySpec) -> dict[str, Tensor]:
    """Return those of `weights` that are the vision tower's, by their names inside it."""
    named = {name: weights[key] for key in weights if (name := vision_name(key, family))}
    return own_weights(named, family)


def own_weights(named: Mapping[str, Tensor], family: FamilySpec) -> dict[str, Tensor]:
    """Return weights that have the names of `vision_name` as the family's tower has them."""
    made: dict[str, Tensor] = dict(named)
    if family.weights is not None and made:
        made = load_name(family.weights)(made)
    return made


@cache
def renamings_of(model_type: str) -> list[Any]:
    """Return every renaming of transformers for checkpoints of one type."""
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping
    from transformers.core_model_loading import WeightRenaming

    mapping = get_checkpoint_conversion_mapping(model_type) or []
    return [entry for entry in mapping if isinstance(entry, WeightRenaming)]


def vision_digests(vision: nn.Module | Mapping[str, Tensor]) -> VisionDigests:
    """Digest a vision tower, or a state dict of one or of a whole model, on any device.

    A whole model is recognised by the names of its vision weights, and only these count. Families
    may share some of the names, so it is of the first that knows most of them.
    """
    weights = vision.state_dict() if isinstance(vision, nn.Module) else vision
    known = [
        (sum(vision_name(key, family) is not None for key in weights), family)
        for family in built_in().values()
    ]
    most, family = max(known, key=lambda pair: pair[0])
    return weights_digests(vision_weights(weights, family) if most else weights)


def weights_digests(weights: Mapping[str, Tensor]) -> VisionDigests:
    """Digest vision weights by their names inside the tower."""
    ordered = sorted(weights.items())
    stored, bf16, f16 = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
    dtypes = {value.dtype for _, value in ordered}
    all_bf16, all_f16 = dtypes <= {torch.bfloat16}, dtypes == {torch.float16}
    is_bf16 = is_f16 = True
    for name, weight in ordered:
        value = weight.detach().cpu()
        _add(stored, name, value)
        if not all_bf16:
            rounded = value.to(torch.bfloat16)
            is_bf16 = is_bf16 and torch.equal(rounded.to(value.dtype), value)
            _add(bf16, name, rounded)
        if is_f16 and not all_f16:
            rounded = value.to(torch.float16)
            is_f16 = torch.equal(rounded.to(value.dtype), value)
            _add(f16, name, rounded)
    return VisionDigests(
        stored=stored.hexdigest(),
        bf16=(stored if all_bf16 else bf16).hexdigest(),
        is_bf16=is_bf16,
        f16=(stored if all_f16 else f16).hexdigest() if is_f16 else None,
    )


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """Return the sha256 of named tensors."""
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        _add(digest, name, value.detach().cpu())
    return digest.hexdigest()


def json_digest(value: Any) -> str:
    """Return the sha256 of a JSON value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _add(digest: hashlib._Hash, name: str, value: Tensor) -> None:
    head = json.dumps([name, list(value.shape), str(value.dtype).removeprefix("torch.")])
    digest.update(head.encode() + b"\n")
    digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
