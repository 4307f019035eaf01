"""Vision attention over many frames at once, and the block around it.

These vision towers attend within a frame (or a window of one), so frames are a batch: one
attention call a layer instead of one a frame. Knows neither positions nor families.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from evscli.models.parts.packing import Stretches, attend_packed


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of one size in every frame; a patch attends within its window."""

    length: int
    """Patches in each window."""
    patches: Tensor | None = None
    """[n * length] the windows' patches, one window after the other; None: all, as they stand."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rotary:
    """Rotary position embedding of the S patches of a frame, the same for every frame."""

    cos: Tensor
    """[S, 1, 1, d] float32"""
    sin: Tensor
    """[S, 1, 1, d] float32"""

    def at(self, places: Tensor) -> Rotary:
        """Return the embedding of the patches at `places [K]` of their frames."""
        return Rotary(cos=self.cos[places], sin=self.sin[places])


def run_block(
    block: Any,
    hidden: Tensor,
    rotary: Rotary,
    windows: Sequence[Windows],
    bias: Tensor | None = None,
) -> Tensor:
    """Run one pre-norm transformer block on hidden states [T, S, C].

    `bias [T, S]` is added to the attention logits of every key.
    """
    hidden = hidden + attend(block.attn, block.norm1(hidden), rotary, windows, bias)
    changed: Tensor = block.mlp(block.norm2(hidden))
    return hidden + changed


@dataclass(frozen=True, kw_only=True, eq=False)
class PackedBlocks:
    """The blocks of a tower on a packed row."""

    blocks: Sequence[Any]
    rotary: Rotary
    within: Callable[[int], Stretches]
    """The stretches that attend to each other in the block of a number."""

    def block(self, number: int, hidden: Tensor) -> Tensor:
        """Run one block on [K, C], as `run_block` does on [T, S, C]."""
        block = self.blocks[number]
        states = queries_keys_values(block.attn, block.norm1(hidden))
        query, key = rotate(states[:, :2], self.rotary).unbind(1)
        mixed = attend_packed(query, key, states[:, 2], self.within(number))
        hidden = hidden + block.attn.proj(mixed.flatten(1))
        changed: Tensor = block.mlp(block.norm2(hidden))
        return hidden + changed


def attend(
    attention: Any,
    hidden: Tensor,
    rotary: Rotary,
    windows: Sequence[Windows],
    bias: Tensor | None = None,
) -> Tensor:
    """Apply self-attention to [T, S, C] within `windows`, which together hold every patch once."""
    states = queries_keys_values(attention, hidden)
    query, key = rotate(states[:, :, :2], rotary).unbind(2)
    value = states[:, :, 2]
    if len(windows) == 1 and windows[0].patches is None:
        mixed = attend_alike(query, key, value, windows[0].length, bias)
    else:
        mixed = torch.empty_like(query)
        for group in windows:
            some = group.patches
            mixed[:, some] = attend_alike(
                query[:, some],
                key[:, some],
                value[:, some],
                group.length,
                None if bias is None else bias[:, some],
            )
    projected: Tensor = attention.proj(mixed.flatten(2))
    return projected


def queries_keys_values(attention: Any, hidden: Tensor) -> Tensor:
    """Return queries, keys and values [..., 3, heads, d] of [..., C], projected at once or each."""
    if hasattr(attention, "qkv"):
        states = attention.qkv(hidden)
    else:
        states = torch.cat([attention.q(hidden), attention.k(hidden), attention.v(hidden)], dim=-1)
    apart: Tensor = states.unflatten(-1, (3, attention.num_heads, -1))
    return apart


def rotate(states: Tensor, rotary: Rotary) -> Tensor:
    """Apply the rotary embedding to [..., S, n, heads, d] in float32, as the towers do.

    The halves (a, b) of the last dimension become (a cos - b sin, b cos + a sin).
    """
    half = states.shape[-1] // 2
    first, second = states[..., :half], states[..., half:]
    rotated = states * rotary.cos
    rotated[..., :half] -= second * rotary.sin[..., :half]
    rotated[..., half:] += first * rotary.sin[..., half:]
    return rotated.to(states.dtype)


def attend_alike(
    query: Tensor, key: Tensor, value: Tensor, length: int, bias: Tensor | None
) -> Tensor:
    """Apply attention to [T, n * length, heads, d] within windows of `length` patches in a row."""
    shape = query.shape
    query, key, value = (
        states.reshape(-1, length, *shape[2:]).transpose(1, 2) for states in (query, key, value)
    )
    mask = None if bias is None else bias.reshape(-1, 1, 1, length).to(query.dtype)
    mixed = scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return mixed.transpose(1, 2).reshape(shape)
