"""The Molmo2 vision tower and its connector: SigLIP2 blocks, windows pooled by attention.

Blocks and connector are the modules of transformers; the connector reads the outputs of several
blocks. Frames are single images of one size. Knows no checkpoint, no processor and no device.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.molmo2.modeling_molmo2 import Molmo2Adapter, Molmo2VisionModel
from transformers.models.molmo2.video_processing_molmo2 import arange_for_pooling

from evscli.models.molmo2.shape import POOLING
from evscli.models.parts.encoder_layers import PackedLayers
from evscli.models.parts.packing import Packing


class Molmo2Vision(nn.Module):
    """The vision side of a Molmo2 model, with the names that its weights have there."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.vision_tower = Molmo2VisionModel(config.vision_config)
        self.multi_modal_projector = Molmo2Adapter(config.adapter_config)


class Molmo2Tower:
    """A Molmo2 tower for frames of `grid_hw` patches, pooled by windows of 3x3."""

    shares_patches = False

    def __init__(self, vision: Any, grid_hw: tuple[int, int]) -> None:
        self.vision = vision
        self.layers = vision.vision_tower.layers
        self.depth = len(self.layers)
        config = vision.multi_modal_projector.config
        self.feature_layers = tuple(layer % self.depth for layer in config.vision_feature_layer)
        self.read_after = tuple(sorted({*self.feature_layers}))
        self.heads = int(vision.vision_tower.config.num_attention_heads)
        grid = torch.arange(grid_hw[0] * grid_hw[1]).view(grid_hw)
        windows, rows, columns = arange_for_pooling(grid, *POOLING)
        self.cells = (int(rows), int(columns))
        self.size = grid.numel()
        self.pooling: Tensor = windows

    @cached_property
    def window_patches(self) -> Tensor:
        """[h*w, p] the places of each window's patches."""
        device: torch.device = self.vision.vision_tower.positional_embedding.device
        return self.pooling.to(device)

    def embed(self, patches: Tensor) -> Tensor:
        """Turn normalised patches [T, S, P] to hidden states [T, S, C]."""
        tower = self.vision.vision_tower
        embedded: Tensor = tower.patch_embedding(patches.to(tower.patch_embedding.weight.dtype))
        positions: Tensor = tower.positional_embedding[None].to(embedded)
        return embedded + positions

    def embed_rows(self, patches: Tensor, rows: Tensor) -> Tensor:
        """Do what `embed` does for `rows [K]` alone, which are places in T*S: to [K, C]."""
        tower = self.vision.vision_tower
        some = patches.flatten(0, 1)[rows].to(tower.patch_embedding.weight.dtype)
        embedded: Tensor = tower.patch_embedding(some)
        positions: Tensor = tower.positional_embedding.to(embedded)
        return embedded + positions[rows % self.size]

    def block(self, number: int, hidden: Tensor, bias: Tensor | None = None) -> Tensor:
        """Run one block on [T, S, C]."""
        mask = None if bias is None else bias[:, None, None].to(hidden.dtype)
        after: Tensor = self.layers[number](hidden, mask)
        return after

    def packed(self, packing: Packing) -> PackedLayers:
        """Return the tower that runs on the tokens of a packing."""
        return PackedLayers(layers=self.layers, frames=packing.frames)

    def tokens(self, states: Mapping[int, Tensor]) -> tuple[Tensor, None]:
        """Turn outputs [T, S, C] of the layers that are read to embeds [T, h, w, D]."""
        features = self._features(states)
        frames, patches = features.shape[:2]
        first = torch.arange(frames, device=features.device)[:, None, None] * patches
        pooled = self._pool(features.flatten(0, 1), (self.window_patches + first).flatten(0, 1))
        return pooled.view(frames, *self.cells, -1), None

    def window_tokens(self, states: Mapping[int, Tensor], windows: Tensor) -> tuple[Tensor, None]:
        """Do what `tokens` does for windows by themselves: [n, p, C] to [n, D]."""
        del windows
        features = self._features(states)
        places = torch.arange(features.shape[0] * features.shape[1], device=features.device)
        return self._pool(features.flatten(0, 1), places.view(features.shape[:2])), None

    def _features(self, states: Mapping[int, Tensor]) -> Tensor:
        return torch.cat([states[number] for number in self.feature_layers], dim=-1)

    def _pool(self, features: Tensor, places: Tensor) -> Tensor:
        """Pool `places [n, p]` of `features [S, C]` to [n, D] by transformers' connector."""
        pooled: Tensor = self.vision.multi_modal_projector(features, places).last_hidden_state
        return pooled
