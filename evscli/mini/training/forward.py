"""One differentiable pass over videos of one form and all their questions.

The weights and the mathematics are those of transformers' own modules. The order of work is for
speed on few cores: frames are a batch, the questions of a video stand side by side behind it,
matrix products run in the model's dtype and attention in float32, whose backward pass is several
times faster than bfloat16's for rows this short.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear, rms_norm, scaled_dot_product_attention, silu

from evscli.evaluation.questions.options import side_by_side
from evscli.mini.training.prompts import VideoPrompt
from evscli.models.parts.frame_tower import FrameLayout, frame_layout, merge_cells


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """The visual tokens of B videos, and their DeepStack planes."""

    embeds: Tensor
    """[B, K, D] tokens."""
    planes: Tensor
    """[L, B, K, D] DeepStack planes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class States:
    """The hidden states of the language model."""

    visual: Tensor
    """[B, K, C] states of the visual tokens, between two layers."""
    questions: Tensor
    """[B, Q, L, C] states of the questions, after the last layer."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sight:
    """The positions of a prompt's tokens and the mask of their attention."""

    cos: Tensor
    """[S, 1, d] float32 cosines of the rotary embedding."""
    sin: Tensor
    """[S, 1, d] float32 sines of the rotary embedding."""
    prefix: int
    """The number of tokens before the questions."""
    mask: Tensor
    """[Q * L, S] bool: the tokens that each token of a question attends to."""


def see(model: Any, patches: Tensor, cells: tuple[int, int]) -> Seen:
    """Encode patches [B, T, S, P] of a grid of `cells` (h, w)."""
    vision = model.model.visual
    merge_size = vision.spatial_merge_size
    layout = frame_layout(vision, (cells[0] * merge_size, cells[1] * merge_size))
    weight = vision.patch_embed.proj.weight
    flat = patches.flatten(0, 1).to(weight.dtype)
    hidden = linear(flat, weight.flatten(1), vision.patch_embed.proj.bias) + layout.positions
    taken_after = list(vision.deepstack_visual_indexes)
    planes = []
    for number, block in enumerate(vision.blocks):
        hidden = hidden + within_frames(block.attn, block.norm1(hidden), layout)
        hidden = hidden + block.mlp(block.norm2(hidden))
        if number in taken_after:
            merger = vision.deepstack_merger_list[taken_after.index(number)]
            planes.append(merge_cells(merger, hidden, layout))
    embeds = merge_cells(vision.merger, hidden, layout)
    shape = (len(patches), -1, embeds.shape[-1])
    return Seen(
        embeds=embeds.reshape(shape), planes=torch.stack([p.reshape(shape) for p in planes])
    )


def within_frames(attention: Any, hidden: Tensor, layout: FrameLayout) -> Tensor:
    """Compute the vision tower's self-attention on [N, S, C], each frame by itself."""
    states = attention.qkv(hidden).unflatten(-1, (3, attention.num_heads, -1)).float()
    cos, sin = layout.rotary.cos[:, 0], layout.rotary.sin[:, 0]
    query, key, value = states.unbind(2)
    mixed = scaled_dot_product_attention(
        rotate(query, cos, sin).transpose(1, 2),
        rotate(key, cos, sin).transpose(1, 2),
        value.transpose(1, 2),
    )
    projected: Tensor = attention.proj(mixed.transpose(1, 2).flatten(2).to(hidden.dtype))
    return projected


def rotate(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate [..., S, heads, d] by its positions: (a, b) becomes (a cos - b sin, b cos + a sin)."""
    first, second = states.chunk(2, dim=-1)
    half = first.shape[-1]
    cos, sin = cos[..., :half], sin[..., :half]
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def read(model: Any, prompt: VideoPrompt, seen: Seen, questions: Tensor, *, tap: int) -> States:
    """Run the language model on a video prompt with questions [B, Q, L] behind it.

    `tap` is the number of layers after which the visual tokens' states are taken.
    """
    text = model.model.language_model
    videos, count, length = questions.shape
    size, where = len(prompt.ids), prompt.visual.nonzero()[:, 0]
    before = text.embed_tokens(prompt.ids).expand(videos, -1, -1)
    before = before.index_copy(1, where, seen.embeds.to(before.dtype))
    hidden = torch.cat([before, text.embed_tokens(questions.flatten(1))], dim=1)
    sight = sight_of(text, prompt, count, length)
    tapped = hidden
    for number, layer in enumerate(text.layers):
        hidden = run_layer(layer, hidden, sight)
        if number < len(seen.planes):
            hidden = hidden.index_add(1, where, seen.planes[number].to(hidden.dtype))
        if number + 1 == tap:
            tapped = hidden[:, where]
    states = normalise(text.norm, hidden[:, size:])
    return States(visual=tapped, questions=states.reshape(videos, count, length, -1))


def sight_of(text: Any, prompt: VideoPrompt, count: int, length: int) -> Sight:
    """Return positions and mask of `count` questions of `length` tokens behind a video."""
    steps = torch.arange(length, device=prompt.positions.device)
    behind = (prompt.end + steps).repeat(count).expand(3, -1)
    positions = torch.cat([prompt.positions, behind], dim=1)
    cos, sin = text.rotary_emb(positions.float(), positions[:, None])
    return Sight(
        cos=cos[0, :, None],
        sin=sin[0, :, None],
        prefix=len(prompt.ids),
        mask=side_by_side(torch.full((count,), length, device=positions.device), len(prompt.ids)),
    )


def run_layer(layer: Any, hidden: Tensor, sight: Sight) -> Tensor:
    """Run one layer of the language model on [B, S, C]."""
    hidden = hidden + look_back(layer.self_attn, normalise(layer.input_layernorm, hidden), sight)
    normed = normalise(layer.post_attention_layernorm, hidden)
    mlp = layer.mlp
    changed: Tensor = mlp.down_proj(silu(mlp.gate_proj(normed)) * mlp.up_proj(normed))
    return hidden + changed


def normalise(norm: Any, hidden: Tensor) -> Tensor:
    """Apply a root mean square norm over the last dimension."""
    return rms_norm(hidden, norm.weight.shape, norm.weight, norm.variance_epsilon)


def look_back(attention: Any, hidden: Tensor, sight: Sight) -> Tensor:
    """Compute self-attention on [B, S, C]: causal for the prefix, masked for the questions.

    Prefix and questions are two calls, since the long prefix needs no mask.
    """
    heads = (-1, attention.head_dim)
    query, key, value = (
        project(hidden).unflatten(-1, heads)
        for project in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    query = rotate(normalise(attention.q_norm, query).float(), sight.cos, sight.sin)
    key = rotate(normalise(attention.k_norm, key).float(), sight.cos, sight.sin)
    groups = attention.num_key_value_groups
    key, value = (s.repeat_interleave(groups, dim=2).transpose(1, 2) for s in (key, value.float()))
    query, size = query.transpose(1, 2), sight.prefix
    before = scaled_dot_product_attention(
        query[:, :, :size], key[:, :, :size], value[:, :, :size], is_causal=True
    )
    behind = scaled_dot_product_attention(query[:, :, size:], key, value, attn_mask=sight.mask)
    mixed = torch.cat([before, behind], dim=2).transpose(1, 2).flatten(2)
    projected: Tensor = attention.o_proj(mixed.to(hidden.dtype))
    return projected
