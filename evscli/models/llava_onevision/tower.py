"""The LLaVA-OneVision vision side: SigLIP blocks, a projector, and pooling to half a side.

Blocks and projector are the modules of transformers. Frames are single images of one size, and a
token is the interpolation between the four patches around its centre, which neighbours may share.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from transformers.models.llava_onevision.modeling_llava_onevision import (
    LlavaOnevisionMultiModalProjector,
)
from transformers.models.siglip.modeling_siglip import SiglipVisionModel

from evscli.models.llava_onevision.shape import MERGE, read_after
from evscli.models.parts.encoder_layers import PackedLayers
from evscli.models.parts.images import cut_patches
from evscli.models.parts.packing import Packing


class LlavaVision(nn.Module):
    """The vision side of a LLaVA-OneVision model, with the names that its weights have there."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.vision_tower = SiglipVisionModel(config.vision_config)
        self.multi_modal_projector = LlavaOnevisionMultiModalProjector(config)
        self.image_newline = nn.Parameter(torch.empty(config.text_config.hidden_size))


def newline(vision: LlavaVision) -> Tensor:
    """Return the token [1, D] behind a video."""
    return vision.image_newline[None]


class LlavaTower:
    """A tower for frames of `grid_hw` patches, pooled to half of them along a side."""

    shares_patches = True

    def __init__(self, vision: LlavaVision, grid_hw: tuple[int, int]) -> None:
        self.vision = vision
        self.grid = grid_hw
        self.size = grid_hw[0] * grid_hw[1]
        self.cells = (-(-grid_hw[0] // MERGE), -(-grid_hw[1] // MERGE))
        self.layers = vision.vision_tower.encoder.layers
        self.feature_layers = read_after(vision.config)
        self.read_after = tuple(sorted({*self.feature_layers}))
        self.depth = self.read_after[-1] + 1
        self.heads = int(vision.config.vision_config.num_attention_heads)
        down, across = (corners(*sizes) for sizes in zip(grid_hw, self.cells, strict=True))
        self.patches, self.weights = grid_of(down, across, columns=grid_hw[1])

    @cached_property
    def window_patches(self) -> Tensor:
        """[h*w, 4] the places of the patches between which a token lies."""
        device: torch.device = self.vision.image_newline.device
        return self.patches.to(device)

    def embed(self, patches: Tensor) -> Tensor:
        """Turn normalised images [T, 3, H, W] to hidden states [T, S, C]."""
        embeddings = self.vision.vision_tower.embeddings
        positions: Tensor = embeddings.position_embedding.weight
        cut: Tensor = embeddings.patch_embedding(patches.to(positions.dtype))
        return cut.flatten(2).transpose(1, 2) + positions

    def embed_rows(self, patches: Tensor, rows: Tensor) -> Tensor:
        """Do what `embed` does for `rows [K]` alone, which are places in T*S: to [K, C]."""
        embeddings = self.vision.vision_tower.embeddings
        positions: Tensor = embeddings.position_embedding.weight
        some = cut_patches(patches, self.grid, embeddings.patch_size, rows).to(positions.dtype)
        cut: Tensor = embeddings.patch_embedding(some)
        return cut.flatten(1) + positions[rows % self.size]

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
        projected = self._projected(states)
        images = projected.view(len(projected), *self.grid, -1).permute(0, 3, 1, 2).contiguous()
        pooled: Tensor = interpolate(images, size=self.cells, mode="bilinear")
        return pooled.permute(0, 2, 3, 1), None

    def window_tokens(self, states: Mapping[int, Tensor], windows: Tensor) -> tuple[Tensor, None]:
        """Do what `tokens` does for windows by themselves: [n, 4, C] to [n, D]."""
        projected = self._projected(states)
        weights = self.weights.to(projected.device)[windows].to(projected.dtype)
        return (projected * weights[..., None]).sum(dim=1), None

    def _projected(self, states: Mapping[int, Tensor]) -> Tensor:
        features = torch.cat([states[number] for number in self.feature_layers], dim=-1)
        projected: Tensor = self.vision.multi_modal_projector(features)
        return projected


def corners(size: int, cells: int) -> tuple[Tensor, Tensor]:
    """Return the two patches [cells, 2] along a side around each token's centre, with weights.

    They are those of bilinear interpolation without antialiasing and without aligned corners.
    """
    centre = ((torch.arange(cells) + 0.5) * (size / cells) - 0.5).clamp(min=0)
    first = centre.floor().long()
    second = (first + 1).clamp(max=size - 1)
    share = centre - first
    return torch.stack([first, second], dim=1), torch.stack([1 - share, share], dim=1)


def grid_of(
    down: tuple[Tensor, Tensor], across: tuple[Tensor, Tensor], *, columns: int
) -> tuple[Tensor, Tensor]:
    """Return the places and weights [h*w, 4] of two directions together, in raster order."""
    places = down[0][:, None, :, None] * columns + across[0][None, :, None, :]
    weights = down[1][:, None, :, None] * across[1][None, :, None, :]
    return places.flatten(0, 1).flatten(1), weights.flatten(0, 1).flatten(1)
