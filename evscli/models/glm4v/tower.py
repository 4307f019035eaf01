"""The GLM-4V vision tower on batched frames: blocks with rotation, and windows made smaller by a
convolution.

Runs the modules of transformers' own tower in the layout [T, S, C]. A temporal patch is a grid of
its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers.vision_utils import get_vision_position_ids

from evscli.models.parts.attention import Rotary, Windows
from evscli.models.parts.frame_tower import FrameLayout, FrameTower
from evscli.models.parts.patch_embedding import embed_patches


class GlmTower(FrameTower):
    """A tower for frames of `grid_hw` patches, before merging; it has no DeepStack."""

    def layout_of(self, vision: Any, grid_hw: tuple[int, int]) -> FrameLayout:
        """Return positions of one temporal patch, by the modules of transformers' own forward."""
        grid, size = torch.tensor([[1, *grid_hw]]), grid_hw[0] * grid_hw[1]
        weight = vision.embeddings.position_embedding.weight
        ids = get_vision_position_ids(grid, vision.spatial_merge_size).to(weight.device)
        nothing = weight.new_zeros(size, weight.shape[1])
        grid, lengths = grid.to(weight.device), torch.tensor([size]).to(weight.device)
        positions = vision.embeddings(nothing, lengths, grid, ids[:, 0], ids[:, 1])
        cos, sin = vision.rotary_pos_emb(nothing, ids)
        merge = vision.spatial_merge_size
        return FrameLayout(
            cells=(grid_hw[0] // merge, grid_hw[1] // merge),
            positions=positions,
            rotary=Rotary(cos=cos[:, None, None].float(), sin=sin[:, None, None].float()),
            windows=(Windows(size),),
        )

    def embed(self, patches: Tensor) -> Tensor:
        """Turn normalised patches [T, S, P] to hidden states [T, S, C]."""
        embedded = self._embedded(patches.flatten(0, 1))
        return embedded.view(*patches.shape[:2], -1) + self.layout.positions

    def embed_rows(self, patches: Tensor, rows: Tensor) -> Tensor:
        """Do what `embed` does for `rows [K]` alone, which are places in T*S: to [K, C]."""
        embedded = self._embedded(patches.flatten(0, 1)[rows])
        return embedded + self.layout.positions[rows % self.size]

    def _embedded(self, patches: Tensor) -> Tensor:
        project = self.vision.patch_embed.proj
        states: Tensor = self.vision.post_conv_layernorm(embed_patches(project, patches))
        return states

    def merged(self, states: Mapping[int, Tensor]) -> tuple[Tensor, None]:
        """Turn the last output, its windows one after the other, to tokens [n, D]."""
        vision, merge = self.vision, self.vision.spatial_merge_size
        hidden = vision.post_layernorm(states[self.depth - 1])
        windows = hidden.view(-1, merge, merge, hidden.shape[-1]).permute(0, 3, 1, 2)
        embeds: Tensor = vision.merger(vision.downsample(windows).flatten(1))
        return embeds, None
