"""The vision tower of Qwen3-VL and the families after it, on batched frames.

Runs the modules of transformers' own tower in the layout [T, S, C], S patches for each of T
temporal patches. Knows no checkpoint, no processor and no device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from transformers.vision_utils import (
    get_vision_interpolation_indices_and_weights,
    get_vision_position_ids,
)

from evscli.models.parts.attention import PackedBlocks, Rotary, Windows, run_block
from evscli.models.parts.packing import Packing
from evscli.models.parts.patch_embedding import embed_patches


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameLayout:
    """Positions, which depend on the patch grid alone and not on the time."""

    cells: tuple[int, int]
    """(h, w) of the merged grid"""
    positions: Tensor
    """[S, C] the learned position grid, interpolated"""
    rotary: Rotary
    windows: tuple[Windows, ...]
    """The frame as one window."""


class FrameTower:
    """A tower for frames of `grid_hw` patches, before merging, whose blocks see one at a time.

    Positions are learned and interpolated to the grid, and turn queries and keys besides.
    """

    shares_patches = False

    def __init__(self, vision: Any, grid_hw: tuple[int, int]) -> None:
        self.vision = vision
        self.layout = self.layout_of(vision, grid_hw)
        self.cells = self.layout.cells
        self.size = grid_hw[0] * grid_hw[1]
        self.depth = len(vision.blocks)
        self.heads = int(vision.config.num_heads)
        self.planes_after = tuple(getattr(vision, "deepstack_visual_indexes", ()))
        self.read_after = tuple(sorted({*self.planes_after, self.depth - 1}))

    def layout_of(self, vision: Any, grid_hw: tuple[int, int]) -> FrameLayout:
        """Return positions of one temporal patch."""
        return frame_layout(vision, grid_hw)

    @cached_property
    def window_patches(self) -> Tensor:
        """[h*w, p]: the processor lays patches out window by window."""
        h, w = self.cells
        return torch.arange(self.size, device=self.layout.positions.device).view(h * w, -1)

    def embed(self, patches: Tensor) -> Tensor:
        """Turn normalised patches [T, S, P] to hidden states [T, S, C]."""
        embedded = embed_patches(self.vision.patch_embed.proj, patches.flatten(0, 1))
        return embedded.view(*patches.shape[:2], -1) + self.layout.positions

    def embed_rows(self, patches: Tensor, rows: Tensor) -> Tensor:
        """Do what `embed` does for `rows [K]` alone, which are places in T*S: to [K, C]."""
        embedded = embed_patches(self.vision.patch_embed.proj, patches.flatten(0, 1)[rows])
        return embedded + self.layout.positions[rows % self.size]

    def block(self, number: int, hidden: Tensor, bias: Tensor | None = None) -> Tensor:
        """Run one block on [T, S, C]."""
        layout = self.layout
        return run_block(self.vision.blocks[number], hidden, layout.rotary, layout.windows, bias)

    def packed(self, packing: Packing) -> PackedBlocks:
        """Return the tower that runs on the tokens of a packing."""
        return PackedBlocks(
            blocks=self.vision.blocks,
            rotary=self.layout.rotary.at(packing.rows % packing.size),
            within=lambda _: packing.frames,
        )

    def tokens(self, states: Mapping[int, Tensor]) -> tuple[Tensor, Tensor | None]:
        """Turn outputs [T, S, C] to embeds [T, h, w, D] and DeepStack [L, T, h, w, D]."""
        embeds, planes = self.merged(states)
        shape = (-1, *self.cells, embeds.shape[-1])
        return embeds.view(shape), None if planes is None else planes.view(len(planes), *shape)

    def window_tokens(
        self, states: Mapping[int, Tensor], windows: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Do what `tokens` does for windows by themselves: [n, p, C] to [n, D] and [L, n, D]."""
        del windows
        return self.merged(states)

    def merged(self, states: Mapping[int, Tensor]) -> tuple[Tensor, Tensor | None]:
        """Turn outputs that are read, windows one after the other, to tokens and planes."""
        embeds: Tensor = self.vision.merger(states[self.depth - 1])
        planes = [
            self.vision.deepstack_merger_list[plane](states[number]).view(embeds.shape)
            for plane, number in enumerate(self.planes_after)
        ]
        return embeds, torch.stack(planes) if planes else None


def frame_layout(vision: Any, grid_hw: tuple[int, int]) -> FrameLayout:
    """Return positions of one temporal patch, by the helpers of transformers' own forward."""
    grid = torch.tensor([[1, *grid_hw]])
    merge_size, device = vision.spatial_merge_size, vision.pos_embed.weight.device
    taps, weights = get_vision_interpolation_indices_and_weights(
        grid,
        num_grid_per_side=vision.num_grid_per_side,
        mode=vision.interpolation_mode,
        align_corners=vision.interpolation_align_corners,
        spatial_merge_size=merge_size,
    )
    taps, weights = taps.to(device), weights.to(device)
    positions = (vision.pos_embed(taps) * weights[:, :, None]).sum(1)
    ids = get_vision_position_ids(grid, merge_size).to(device)
    cos, sin = vision.rotary_pos_emb(positions, ids)
    return FrameLayout(
        cells=(grid_hw[0] // merge_size, grid_hw[1] // merge_size),
        positions=positions.to(vision.pos_embed.weight.dtype),
        rotary=Rotary(cos=cos[:, None, None].float(), sin=sin[:, None, None].float()),
        windows=(Windows(grid_hw[0] * grid_hw[1]),),
    )


def merge_cells(merger: Any, hidden: Tensor, layout: FrameLayout) -> Tensor:
    """Merge [T, S, C] to one embedding per cell [T, h, w, D]."""
    embeds: Tensor = merger(hidden)
    return embeds.view(len(hidden), *layout.cells, -1)
