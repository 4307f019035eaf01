"""Blocks of the usual kind: norm, attention, norm, and two linear maps.

SigLIP and the towers made of it have them. They run by themselves on frames of one size; here they
run on a packed row too, and where queries and keys are rotated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from evscli.models.parts.attention import Rotary, attend_alike, rotate
from evscli.models.parts.packing import Stretches, attend_packed


@dataclass(frozen=True, kw_only=True, eq=False)
class PackedLayers:
    """The blocks on a packed row."""

    layers: Any
    frames: Stretches
    rotary: Rotary | None = None
    """The rotation of the row's queries and keys, if the blocks have one."""

    def block(self, number: int, hidden: Tensor) -> Tensor:
        """Run one block on [K, C]."""
        layer = self.layers[number]
        query, key, value = attended(layer, hidden, self.rotary)
        return after_attention(layer, hidden, attend_packed(query, key, value, self.frames))


def run_rotated(layer: Any, hidden: Tensor, rotary: Rotary, bias: Tensor | None = None) -> Tensor:
    """Run one block, whose patches attend to those of their frame, on hidden states [T, S, C].

    `bias [T, S]` is added to the attention logits of every key.
    """
    query, key, value = attended(layer, hidden, rotary)
    return after_attention(layer, hidden, attend_alike(query, key, value, hidden.shape[1], bias))


def attended(layer: Any, hidden: Tensor, rotary: Rotary | None) -> tuple[Tensor, Tensor, Tensor]:
    """Return queries, keys and values [..., heads, d] of hidden states [..., C] in a block."""
    attention, normed = layer.self_attn, layer.layer_norm1(hidden)
    query, key, value = (
        project(normed).unflatten(-1, (-1, attention.head_dim))
        for project in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    groups = getattr(attention, "num_key_value_groups", 1)
    if groups > 1:
        key, value = (states.repeat_interleave(groups, dim=-2) for states in (key, value))
    if rotary is not None:
        query, key = (rotate(states.unsqueeze(-3), rotary).squeeze(-3) for states in (query, key))
    return query, key, value


def after_attention(layer: Any, hidden: Tensor, mixed: Tensor) -> Tensor:
    """Return a block's output, of its input [..., C] and mixed values [..., heads, d]."""
    attention = layer.self_attn
    output = attention.o_proj if hasattr(attention, "o_proj") else attention.out_proj
    hidden = hidden + output(mixed.flatten(-2))
    changed: Tensor = layer.mlp(layer.layer_norm2(hidden))
    return hidden + changed
