"""The model of transformers inside whatever wraps it, and its vision weights as they were loaded.

Sees through `torch.compile`, DataParallel, FSDP, PEFT and the hooks of accelerate by what they call
and keep things, and imports none of them. Knows no digests and no records.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from evscli.encoders.checkpoint import WEIGHT_DTYPES
from evscli.encoders.digest import own_weights
from evscli.errors import ModelError, UsageError
from evscli.models import family_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FSDP = "_fsdp_wrapped_module"
WRAPPERS = re.compile(
    rf"(?:^|(?<=\.))(?:_orig_mod|module|{FSDP}|_checkpoint_wrapped_module|base_layer"
    r"|modules_to_save\.[^.]+)\."
)
"""The parts that wrappers put into the names of weights."""
REPLACED = re.compile(r"(?:^|\.)original_module\.")
"""PEFT's name for a module that a trained copy stands for."""
ADAPTER = re.compile(r"(?:^|\.)lora_")
ADAPTER_OUTPUT = re.compile(r"(?:^|\.)lora_(?:embedding_)?B(?:\.|$)")


class Held(Enum):
    """The form in which a model holds its vision weights."""

    WHOLE = "whole"
    ABSENT = "absent"
    ELSEWHERE = "offloaded or sharded"
    QUANTISED = "quantised"


@dataclass(frozen=True, kw_only=True, eq=False)
class VisionSide:
    """The vision weights of a loaded model."""

    held: Held
    weights: Mapping[str, Tensor]
    """The weights by their names inside the vision tower, where they are whole."""


def inner_model(model: nn.Module) -> PreTrainedModel:
    """Return the model of transformers that `model` is or wraps. Raises UsageError without one."""
    from transformers import PreTrainedModel

    for part in model.modules():
        if isinstance(part, PreTrainedModel):
            return part
    raise not_a_model(model)


def not_a_model(value: object) -> UsageError:
    """Return the error for a value in a model's place."""
    return UsageError(
        f"model must be a loaded model of transformers, not {type(value).__name__}: load it with "
        "AutoModelForImageTextToText.from_pretrained"
    )


def device_of(model: nn.Module) -> torch.device:
    """Return the device of a model's inputs, even if some weights are on the meta device."""
    for weight in model.parameters():
        if not weight.is_meta:
            return weight.device
    hooks = (getattr(part, "_hf_hook", None) for part in model.modules())
    places = (getattr(hook, "execution_device", None) for hook in hooks)
    return torch.device(next((place for place in places if place is not None), "cpu"))


def vision_side(model: nn.Module) -> VisionSide:
    """Return the vision weights of a model, under the names that they have without any wrapper.

    Adapters whose output is zero, as before training, change nothing and are left out.
    """
    # The weights of a sharded model are gathered by all its processes together: not here.
    if any(FSDP in name for name, _ in model.named_modules()):
        return VisionSide(held=Held.ELSEWHERE, weights={})
    parts = vision_parts(model)
    stored = {name: value for own, part in parts.items() for name, value in state(own, part)}
    adapters = {name: value for name, value in stored.items() if ADAPTER.search(name)}
    whole = {name: value for name, value in stored.items() if name not in adapters}
    if whole:
        inner = inner_model(model)
        family = family_of(inner.config.model_type, model=inner.name_or_path)
        whole = own_weights(whole, family)
    held = worst([held_of(value) for value in whole.values()])
    if held is not Held.WHOLE:
        return VisionSide(held=held, weights={})
    outputs = [value for name, value in adapters.items() if ADAPTER_OUTPUT.search(name)]
    active = adapters if any(value.any() for value in outputs) else {}
    return VisionSide(held=held, weights={**whole, **active})


def vision_parts(model: nn.Module) -> dict[str, nn.Module | nn.Parameter]:
    """Return the modules and weights that are the vision side, by how their names begin."""
    inner = inner_model(model)
    try:
        modules = family_of(inner.config.model_type, model=inner.name_or_path).vision_modules
    except ModelError:  # the tokens' family will be refused for it
        return {}
    for part in model.modules():
        if all(hasattr(part, own) for own in modules):
            return {own if modules[1:] else "": getattr(part, own) for own in modules}
    return {}


def state(own: str, part: nn.Module | nn.Parameter) -> list[tuple[str, Tensor]]:
    """Return the weights of a module, or the one that it is, by their names without wrappers."""
    if isinstance(part, nn.Parameter):
        return [(own, part)]
    before = f"{own}." if own else ""
    kept = [(key, value) for key, value in part.state_dict().items() if not REPLACED.search(key)]
    return [(before + WRAPPERS.sub("", key), value) for key, value in kept]


def worst(held: Sequence[Held]) -> Held:
    """Return the form of all weights together, from the form of each."""
    return next(
        (kind for kind in (Held.QUANTISED, Held.ELSEWHERE, Held.WHOLE) if kind in held), Held.ABSENT
    )


def held_of(weight: object) -> Held:
    """Return the form in which one weight is held.

    Quantising libraries store whole numbers or narrow ones, or subclasses of tensors that pass for
    floating ones.
    """
    if not isinstance(weight, Tensor):
        return Held.QUANTISED
    if weight.is_meta or not weight.numel() or type(weight).__name__ == "DTensor":
        return Held.ELSEWHERE
    plain = type(weight) in (Tensor, nn.Parameter) and weight.dtype in WEIGHT_DTYPES
    return Held.WHOLE if plain else Held.QUANTISED
