"""The SmolVLM2 vision side: SigLIP blocks, and windows of patches side by side.

Blocks and projection are the modules of transformers. Frames are single images of one size.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.smolvlm.modeling_smolvlm import SmolVLMConnector, SmolVLMVisionTransformer

from evscli.models.parts.encoder_layers import PackedLayers
from evscli.models.parts.images import cut_patches
from evscli.models.parts.packing import Packing


class SmolVision(nn.Module):
    """The vision side of a SmolVLM2 model, with the names that its weights have there."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.vision_model = SmolVLMVisionTransformer(config.vision_config)
        self.connector = SmolVLMConnector(config)


class SmolTower:
    """A tower for frames of `grid_hw` patches."""

    shares_patches = False

    def __init__(self, vision: SmolVision, grid_hw: tuple[int, int]) -> None:
        self.vision = vision
        self.grid = grid_hw
        merge = int(vision.config.scale_factor)
        self.cells = (grid_hw[0] // merge, grid_hw[1] // merge)
        self.size = grid_hw[0] * grid_hw[1]
        self.layers = vision.vision_model.encoder.layers
        self.depth = len(self.layers)
        self.read_after = (self.depth - 1,)
        self.heads = int(vision.config.vision_config.num_attention_heads)
        places = torch.arange(self.size).view(self.cells[0], merge, self.cells[1], merge)
        self.places = places.transpose(1, 2).reshape(-1, merge * merge)

    @cached_property
    def window_patches(self) -> Tensor:
        """[h*w, p] the places of each window's patches, row by row."""
        device: torch.device = self.vision.vision_model.post_layernorm.weight.device
        return self.places.to(device)

    def embed(self, patches: Tensor) -> Tensor:
        """Turn normalised images [T, 3, H, W] to hidden states [T, S, C]."""
        embeddings = self.vision.vision_model.embeddings
        whole = patches.new_ones(len(patches), *self.grid, dtype=torch.bool)
        images = patches.to(embeddings.patch_embedding.weight.dtype)
        states: Tensor = embeddings(images, whole)
        return states

    def embed_rows(self, patches: Tensor, rows: Tensor) -> Tensor:
        """Do what `embed` does for `rows [K]` alone, which are places in T*S: to [K, C]."""
        embeddings = self.vision.vision_model.embeddings
        some = cut_patches(patches, self.grid, embeddings.patch_size, rows)
        cut = embeddings.patch_embedding(some.to(embeddings.patch_embedding.weight.dtype))
        states: Tensor = cut.flatten(1) + self.positions[rows % self.size]
        return states

    @cached_property
    def positions(self) -> Tensor:
        """[S, C] the embedding of each place, as the embeddings look it up for a whole image."""
        embeddings, given = self.vision.vision_model.embeddings, []
        table = embeddings.position_embedding
        hook = table.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
        side = embeddings.patch_size
        sizes = (self.grid[0] * side, self.grid[1] * side)
        with hook:
            self.embed(torch.zeros(1, 3, *sizes, device=table.weight.device))
        found: Tensor = table(given[0][0])
        return found

    def block(self, number: int, hidden: Tensor, bias: Tensor | None = None) -> Tensor:
        """Run one block on [T, S, C]."""
        mask = None if bias is None else bias[:, None, None].to(hidden.dtype)
        after: Tensor = self.layers[number](hidden, mask)
        return after

    def packed(self, packing: Packing) -> PackedLayers:
        """Return the tower that runs on the tokens of a packing."""
        return PackedLayers(layers=self.layers, frames=packing.frames)

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
        normed = self.vision.vision_model.post_layernorm(windows)
        projected: Tensor = self.vision.connector.modality_projection(normed.flatten(-2))
        return projected
