"""The VideoLLaMA3 vision side on batched frames: blocks with rotation, windows made smaller.

Blocks, projector and the interpolation that makes a token of a window are those of transformers'
own model. It attends within a frame, and patches lie window by window.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.video_llama_3.modeling_video_llama_3 import (
    VideoLlama3Projector,
    VideoLlama3VisionModel,
)
from transformers.vision_utils import get_vision_position_ids

from evscli.models.parts.attention import Rotary
from evscli.models.parts.encoder_layers import PackedLayers, run_rotated
from evscli.models.parts.packing import Packing
from evscli.models.parts.patch_embedding import embed_patches
from evscli.models.videollama3.shape import MERGE


class VideoLlamaVision(nn.Module):
    """The vision side of a VideoLLaMA3 model, with the names that its weights have there."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.vision_model = VideoLlama3VisionModel(config.vision_config)
        self.projector = VideoLlama3Projector(config)


class VideoLlamaTower:
    """A tower for frames of `grid_hw` patches, whose windows become tokens by interpolation."""

    shares_patches = False

    def __init__(self, vision: VideoLlamaVision, grid_hw: tuple[int, int]) -> None:
        self.vision = vision
        self.cells = (grid_hw[0] // MERGE, grid_hw[1] // MERGE)
        self.size = grid_hw[0] * grid_hw[1]
        self.layers = vision.vision_model.encoder.layers
        self.depth = len(self.layers)
        self.read_after = (self.depth - 1,)
        self.heads = int(vision.vision_model.config.num_attention_heads)
        self.rotary = rotary_of(vision.vision_model, grid_hw)

    @cached_property
    def window_patches(self) -> Tensor:
        """[h*w, p]: the processor lays patches out window by window."""
        places = torch.arange(self.size, device=self.rotary.cos.device)
        return places.view(-1, MERGE * MERGE)

    def embed(self, patches: Tensor) -> Tensor:
        """Turn normalised patches [T, S, P] to hidden states [T, S, C]."""
        return self._embedded(patches.flatten(0, 1)).view(*patches.shape[:2], -1)

    def embed_rows(self, patches: Tensor, rows: Tensor) -> Tensor:
        """Do what `embed` does for `rows [K]` alone, which are places in T*S: to [K, C]."""
        return self._embedded(patches.flatten(0, 1)[rows])

    def _embedded(self, patches: Tensor) -> Tensor:
        return embed_patches(self.vision.vision_model.embeddings.patch_embedding, patches)

    def block(self, number: int, hidden: Tensor, bias: Tensor | None = None) -> Tensor:
        """Run one block on [T, S, C]."""
        return run_rotated(self.layers[number], hidden, self.rotary, bias)

    def packed(self, packing: Packing) -> PackedLayers:
        """Return the tower that runs on the tokens of a packing."""
        rotary = self.rotary.at(packing.rows % packing.size)
        return PackedLayers(layers=self.layers, frames=packing.frames, rotary=rotary)

    def tokens(self, states: Mapping[int, Tensor]) -> tuple[Tensor, None]:
        """Turn the last output [T, S, C] to embeds [T, h, w, D]."""
        h, w = self.cells
        embeds = self._pooled(states[self.depth - 1], (h * MERGE, w * MERGE))
        return embeds.view(-1, h, w, embeds.shape[-1]), None

    def window_tokens(self, states: Mapping[int, Tensor], windows: Tensor) -> tuple[Tensor, None]:
        """Do what `tokens` does for windows by themselves: [n, p, C] to [n, D]."""
        del windows
        return self._pooled(states[self.depth - 1], (MERGE, MERGE)), None

    def _pooled(self, hidden: Tensor, grid_hw: tuple[int, int]) -> Tensor:
        """Turn images [n, S, C] of a grid, window by window, to tokens [n * h * w, D].

        A window's token depends on its own patches alone, so that one may be an image too.
        """
        tower = self.vision.vision_model
        normed = tower.post_layernorm(hidden).flatten(0, 1)
        grid = torch.tensor([[len(hidden), *grid_hw]])
        pooled = tower.pixel_unshuffle(normed, grid, torch.tensor([MERGE]))
        embeds: Tensor = self.vision.projector(pooled)
        return embeds


def rotary_of(tower: VideoLlama3VisionModel, grid_hw: tuple[int, int]) -> Rotary:
    """Return the rotation of the patches of a frame, by the modules of the model's own forward."""
    device = tower.embeddings.patch_embedding.weight.device
    ids = get_vision_position_ids(torch.tensor([[1, *grid_hw]]), MERGE).to(device)
    cos, sin = tower.rotary_pos_emb(ids, ids)
    return Rotary(cos=cos[:, None, None].float(), sin=sin[:, None, None].float())
