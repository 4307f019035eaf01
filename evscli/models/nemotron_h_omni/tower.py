"""The Nemotron-Omni vision side: RADIO on temporal patches, and windows of patches side by side.

Tower and projector are the modules of transformers. Class and register tokens stand before a
temporal patch's patches, and run with every one of which anything is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm
from transformers.models.nemotron_h_omni.modeling_nemotron_h_omni import (
    NemotronH_Omni_Reasoning_V3MultiModalProjector,
)
from transformers.models.radio.modeling_radio import RadioModel

from evscli.models.nemotron_h_omni.shape import merge_of
from evscli.models.parts.images import cut_patches, with_first
from evscli.models.parts.packing import Packing, Stretches, attend_packed


class NemotronVision(nn.Module):
    """The vision side of a Nemotron-Omni model, with the names that its weights have there."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.vision_model = RadioModel(config.vision_config)
        # The processor normalises, and no summary is made.
        self.vision_model.make_preprocessor_external()
        del self.vision_model.summary_idxs
        self.multi_modal_projector = NemotronH_Omni_Reasoning_V3MultiModalProjector(
            config.vision_hidden_size * merge_of(config) ** 2,
            config.projector_hidden_size,
            config.text_config.hidden_size,
        )


class NemotronTower:
    """A tower for temporal patches of `grid_hw` patches, and class tokens before them."""

    shares_patches = False

    def __init__(self, vision: Any, grid_hw: tuple[int, int]) -> None:
        self.vision = vision
        config, merge = vision.config, merge_of(vision.config)
        before = config.vision_config.num_summary_tokens
        self.grid = grid_hw
        self.cells = (grid_hw[0] // merge, grid_hw[1] // merge)
        self.size = before + grid_hw[0] * grid_hw[1]
        self.layers = vision.vision_model.encoder.layer
        self.depth = len(self.layers)
        self.read_after = (self.depth - 1,)
        self.heads = int(config.vision_config.num_attention_heads)
        # A model that predicts several tokens at once normalises before the projector, without
        # weights in its checkpoints.
        self.normalises = getattr(config.text_config, "num_nextn_predict_layers", 0) > 0
        places = before + torch.arange(grid_hw[0] * grid_hw[1])
        windows = places.view(self.cells[0], merge, self.cells[1], merge).transpose(1, 2)
        self.places: Tensor = windows.reshape(-1, merge * merge)

    @cached_property
    def window_patches(self) -> Tensor:
        """[h*w, p] the places of each window's patches, row by row."""
        device: torch.device = self.vision.vision_model.embeddings.position_embedding.device
        return self.places.to(device)

    def embed(self, patches: Tensor) -> Tensor:
        """Turn normalised images [T, t * 3, H, W] to hidden states [T, S, C]."""
        embeddings = self.vision.vision_model.embeddings
        embedded: Tensor = embeddings.embed_video(patches.to(embeddings.position_embedding.dtype))
        return embedded

    def embed_rows(self, patches: Tensor, rows: Tensor) -> Tensor:
        """Do what `embed` does for `rows [K]` alone, which are places in T*S: to [K, C]."""
        embeddings = self.vision.vision_model.embeddings
        first, place = embeddings.cls_register_token, rows % self.size
        side, before = embeddings.patch_size, len(first)
        some = cut_patches(patches, self.grid, side, rows, before=before)
        cut = embeddings.video_patch_projection(some.flatten(1).to(first.dtype))
        positions = embeddings._interpolate_position_embedding(self.grid, cut.dtype)[0]
        return with_first(cut + positions[(place - before).clamp(min=0)], first, place)

    def block(self, number: int, hidden: Tensor, bias: Tensor | None = None) -> Tensor:
        """Run one block on [T, S, C]."""
        mask = None if bias is None else bias[:, None, None].to(hidden.dtype)
        after: Tensor = self.layers[number](hidden, mask)
        return after

    def packed(self, packing: Packing) -> PackedRadio:
        """Return the tower that runs on the tokens of a packing."""
        return PackedRadio(layers=self.layers, frames=packing.frames)

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
        if self.normalises:
            eps = self.vision.config.vision_config.layer_norm_eps
            windows = layer_norm(windows, windows.shape[-1:], eps=eps)
        projected: Tensor = self.vision.multi_modal_projector(windows.flatten(-2))
        return projected


@dataclass(frozen=True, kw_only=True, eq=False)
class PackedRadio:
    """The blocks on a packed row."""

    layers: Any
    frames: Stretches

    def block(self, number: int, hidden: Tensor) -> Tensor:
        """Run one block on [K, C]."""
        layer = self.layers[number]
        hidden = layer.layer_scale1(self._attend(layer.attention, layer.norm1(hidden))) + hidden
        changed: Tensor = layer.layer_scale2(layer.mlp(layer.norm2(hidden)))
        return changed + hidden

    def _attend(self, attention: Any, hidden: Tensor) -> Tensor:
        heads = (-1, attention.head_dim)
        query, key, value = (
            project(hidden).unflatten(-1, heads)
            for project in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        mixed = attend_packed(query, key, value, self.frames).flatten(1)
        after: Tensor = attention.o_proj(mixed)
        return after
