"""ModelInputs: what `prefill` returns, which moves as a whole.

Knows containers of tensors only: no prompts and no models.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from transformers import BatchFeature
from transformers.utils import ModelOutput


class ModelInputs(BatchFeature):  # type: ignore[misc]
    """A BatchFeature whose nested tensors move with it.

    The base class leaves what lies inside other mappings where it is, and a DataLoader cannot pin
    an output class of transformers.
    """

    def to(self, *args: Any, **kwargs: Any) -> ModelInputs:
        """Move every tensor, and cast floating ones, as `Tensor.to` does; returns itself."""
        self.data = {
            name: change(value, lambda tensor: BatchFeature({"": tensor}).to(*args, **kwargs)[""])
            for name, value in self.items()
        }
        return self

    def pin_memory(self) -> ModelInputs:
        """A copy in page-locked memory; a DataLoader with `pin_memory` asks for it."""
        return ModelInputs(
            {
                name: change(value, lambda tensor: tensor.pin_memory())
                for name, value in self.items()
            }
        )


def change(value: Any, apply: Callable[[Tensor], Tensor]) -> Any:
    """`value` with `apply` done to every tensor in it."""
    if isinstance(value, Tensor):
        return apply(value)
    if isinstance(value, list | tuple):
        return type(value)(change(item, apply) for item in value)
    if isinstance(value, BatchFeature | ModelOutput):
        return type(value)({name: change(item, apply) for name, item in value.items()})
    return value
