"""The weights of a checkpoint that learn: whole parts of it, or adapters beside them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from evscli.errors import UsageError

VISION = ("visual", "vision_tower", "vision_backbone", "multi_modal_projector")
"""The names of the parts of a model that see, and make the tokens."""


def sees(name: str) -> bool:
    """Return whether a parameter belongs to the parts that see, by its name."""
    return any(part in name.split(".") for part in VISION)


def speaks(name: str) -> bool:
    """Return whether a parameter belongs to the language part, by its name."""
    return not sees(name)


def let_learn(model: nn.Module, learns: Callable[[str], bool]) -> nn.Module:
    """Let the weights of some names learn, in float32, and all others stay."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(learns(name))
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return model


def peft_parts() -> tuple[Any, Any]:
    """Return what of peft makes adapters, a class and a function. Raises UsageError without it."""
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise UsageError(
            f"--lora needs peft ({error}): pip install 'evscli[train]', or leave it out"
        ) from None
    return LoraConfig, get_peft_model


def with_adapters(
    model: nn.Module, learns: Callable[[str], bool], *, rank: int, seed: int
) -> nn.Module:
    """Give the linear layers of some names adapters that learn, and let all weights stay.

    Raises UsageError without peft.
    """
    config_of, adapt = peft_parts()
    torch.manual_seed(seed)  # the adapters' first weights
    whole: Any = model
    head = whole.get_output_embeddings()
    layers = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module is not head and learns(name)
    ]
    config = config_of(r=rank, lora_alpha=2 * rank, target_modules=layers)
    with warnings.catch_warnings():  # peft asks transformers by a name that is deprecated there
        warnings.simplefilter("ignore", FutureWarning)
        adapted: nn.Module = adapt(model, config)
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return adapted


def learning(model: nn.Module) -> tuple[list[str], list[nn.Parameter]]:
    """Return names and values of the parameters that learn, each once."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    return [name for name, _ in named], [p for _, p in named]
