"""The move of a batch to the device that learns."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


def on_device(value: T, device: torch.device) -> T:
    """Return a dataclass or a dict with every tensor on a device, also those in its values."""
    moved: Any = value
    if isinstance(value, Tensor):
        moved = value.to(device)
    elif isinstance(value, dict):
        moved = {name: on_device(each, device) for name, each in value.items()}
    elif is_dataclass(value) and not isinstance(value, type):
        parts = {each.name: on_device(getattr(value, each.name), device) for each in fields(value)}
        moved = replace(value, **parts)
    typed: T = moved
    return typed
