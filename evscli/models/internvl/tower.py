"""The InternVL vision side: blocks with a class token, and windows of patches side by side.

Blocks and projector are the modules of transformers. Frames are single images of one size. The
class token runs with every frame of which anything is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.internvl.modeling_internvl import (
    InternVLMultiModalProjector,
    InternVLVisionModel,
)

from evscli.models.internvl.shape import merge_of, read_after
from evscli.models.parts.images import cut_patches, with_first
from evscli.models.parts.packing import Packing, Stretches, attend_packed


class InternVision(nn.Module):
    """The vision side of an InternVL model, with the names that its weights have there."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.vision_tower = InternVLVisionModel(config.vision_config)
        self.multi_modal_projector = InternVLMultiModalProjector(config)


class InternTower:
    """A tower for frames of `grid_hw` patches, and a class token before them."""

    shares_patches = False

    def __init__(self, vision: InternVision, grid_hw: tuple[int, int]) -> None:
        self.vision = vision
        merge = merge_of(vision.config)
        self.grid = grid_hw
        self.cells = (grid_hw[0] // merge, grid_hw[1] // merge)
        self.size = 1 + grid_hw[0] * grid_hw[1]
        self.layers = vision.vision_tower.encoder.layer
        self.depth = read_after(vision.config) + 1
        self.read_after = (self.depth - 1,)
        self.heads = int(vision.config.vision_config.num_attention_heads)
        places = 1 + torch.arange(grid_hw[0] * grid_hw[1])
        windows = places.view(self.cells[0], merge, self.cells[1], merge).transpose(1, 2)
        self.places = windows.reshape(-1, merge * merge)

    @cached_property
    def window_patches(self) -> Tensor:
        """[h*w, p] the places of each window's patches, row by row."""
        device: torch.device = self.vision.vision_tower.embeddings.cls_token.device
        return self.places.to(device)

    def embed(self, patches: Tensor) -> Tensor:
        """Turn normalised images [T, 3, H, W] to hidden states [T, S, C]."""
        embeddings = self.vision.vision_tower.embeddings
        cut = embeddings.patch_embeddings(patches)
        states = torch.cat([embeddings.cls_token.expand(len(cut), -1, -1), cut], dim=1)
        positions = embeddings.position_embeddings
        return states if positions is None else states + positions

    def embed_rows(self, patches: Tensor, rows: Tensor) -> Tensor:
        """Do what `embed` does for `rows [K]` alone, which are places in T*S: to [K, C]."""
        embeddings = self.vision.vision_tower.embeddings
        project = embeddings.patch_embeddings.projection
        some = cut_patches(patches, self.grid, project.kernel_size[0], rows, before=1)
        place = rows % self.size
        cut = project(some.to(project.weight.dtype)).flatten(1)
        states = with_first(cut, embeddings.cls_token[0], place)
        positions = embeddings.position_embeddings
        return states if positions is None else states + positions[0, place]

    def block(self, number: int, hidden: Tensor, bias: Tensor | None = None) -> Tensor:
        """Run one block on [T, S, C]."""
        mask = None if bias is None else bias[:, None, None].to(hidden.dtype)
        layer = self.layers[number]
        return run_layer(layer, hidden, lambda states: layer.attention(states, mask)[0])

    def packed(self, packing: Packing) -> PackedInternTower:
        """Return the tower that runs on the tokens of a packing."""
        return PackedInternTower(layers=self.layers, frames=packing.frames)

    def tokens(self, states: Mapping[int, Tensor]) -> tuple[Tensor, None]:
        """Turn the last output [T, S, C] to embeds [T, h, w, D]."""
        hidden = states[self.depth - 1]
        embeds = self._projected(hidden[:, self.window_patches])
        return embeds.view(len(hidden), *self.cells, -1), None

    def window_tokens(self, states: Mapping[int, Tensor], windows: Tensor) -> tuple[Tensor, None]:
        """Do what `tokens` does for windows by themselves: [n, p, C] to [n, D]."""
        del windows
        return self._projected(states[self.depth - 1]), None

    def _projected(self, windows: Tensor) -> Tensor:
        """Turn windows [..., p, C] to tokens [..., D]."""
        if self.vision.config.vision_feature_layer == -1:
            windows = self.vision.vision_tower.layernorm(windows)
        projected: Tensor = self.vision.multi_modal_projector(windows.flatten(-2))
        return projected


@dataclass(frozen=True, kw_only=True, eq=False)
class PackedInternTower:
    """The blocks on a packed row."""

    layers: Any
    frames: Stretches

    def block(self, number: int, hidden: Tensor) -> Tensor:
        """Run one block on [K, C]."""
        layer = self.layers[number]
        return run_layer(layer, hidden, lambda states: self._attend(layer.attention, states))

    def _attend(self, attention: Any, hidden: Tensor) -> Tensor:
        heads = (attention.num_heads, attention.head_dim)
        query = attention.q_norm(attention.q_proj(hidden)).unflatten(-1, heads)
        key = attention.k_norm(attention.k_proj(hidden)).unflatten(-1, heads)
        value = attention.v_proj(hidden).unflatten(-1, heads)
        mixed = attend_packed(query, key, value, self.frames).flatten(1)
        after: Tensor = attention.projection_layer(mixed)
        return after


def run_layer(layer: Any, hidden: Tensor, attend: Callable[[Tensor], Tensor]) -> Tensor:
    """Run one block, whose attention is `attend`, on states of any shape."""
    hidden = layer.lambda_1 * attend(layer.layernorm_before(hidden)) + hidden
    changed: Tensor = layer.lambda_2 * layer.mlp(layer.layernorm_after(hidden))
    return changed + hidden
