"""Blocks of the usual kind on a packed row: norm, attention, norm, and two linear maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from evscli.models.parts.packing import Stretches, attend_packed


@dataclass(frozen=True, kw_only=True, eq=False)
class PackedLayers:
    """The blocks on a packed row, as SigLIP and the towers made of it have them."""

    layers: Any
    frames: Stretches

    def block(self, number: int, hidden: Tensor) -> Tensor:
        """Run one block on [K, C]."""
        layer = self.layers[number]
        hidden = hidden + self._attend(layer.self_attn, layer.layer_norm1(hidden))
        changed: Tensor = layer.mlp(layer.layer_norm2(hidden))
        return hidden + changed

    def _attend(self, attention: Any, hidden: Tensor) -> Tensor:
        heads = (-1, attention.head_dim)
        query, key, value = (
            project(hidden).unflatten(-1, heads)
            for project in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        groups = getattr(attention, "num_key_value_groups", 1)
        if groups > 1:
            key, value = (states.repeat_interleave(groups, dim=1) for states in (key, value))
        mixed = attend_packed(query, key, value, self.frames).flatten(1)
        output = attention.o_proj if hasattr(attention, "o_proj") else attention.out_proj
        after: Tensor = output(mixed)
        return after
