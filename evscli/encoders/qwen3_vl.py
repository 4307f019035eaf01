"""The Qwen3-VL vision tower on batched frames: dense and mixture-of-experts models share it.

Runs the modules of transformers' own tower in the layout [T, S, C], S patches for each of T
temporal patches. Knows no checkpoint, no processor and no device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.vision_utils import (
    get_vision_interpolation_indices_and_weights,
    get_vision_position_ids,
)

from evscli.encoders.attention import Rotary, Windows, run_block


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameLayout:
    """What depends on the patch grid alone, the same for every temporal patch."""

    cells: tuple[int, int]
    """(h, w) of the merged grid"""
    positions: Tensor
    """[S, C] the learned position grid, interpolated"""
    rotary: Rotary
    windows: tuple[Windows, ...]
    """The frame as one window."""


def frame_encoder(
    vision: Any, grid_hw: tuple[int, int]
) -> Callable[[Tensor], tuple[Tensor, Tensor | None]]:
    """A function from patches [T, S, P] to embeds [T, h, w, D] and DeepStack [L, T, h, w, D].

    `grid_hw` counts patches, before merging.
    """
    layout = frame_layout(vision, grid_hw)

    def encode(patches: Tensor) -> tuple[Tensor, Tensor | None]:
        hidden, planes = run_blocks(vision, embed_patches(vision, patches, layout), layout)
        return merge(vision.merger, hidden, layout), planes

    return encode


def frame_layout(vision: Any, grid_hw: tuple[int, int]) -> FrameLayout:
    """Positions of one temporal patch, by the helpers of transformers' own forward."""
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


def embed_patches(vision: Any, patches: Tensor, layout: FrameLayout) -> Tensor:
    """Normalised patches [T, S, P] to hidden states [T, S, C]."""
    embedded: Tensor = vision.patch_embed(patches.flatten(0, 1))
    return embedded.view(*patches.shape[:2], -1) + layout.positions


def run_blocks(vision: Any, hidden: Tensor, layout: FrameLayout) -> tuple[Tensor, Tensor | None]:
    """All blocks on [T, S, C]; also the DeepStack planes [L, T, h, w, D] taken between them."""
    planes = []
    taken_after = list(vision.deepstack_visual_indexes)
    for number, block in enumerate(vision.blocks):
        hidden = run_block(block, hidden, layout.rotary, layout.windows)
        if number in taken_after:
            merger = vision.deepstack_merger_list[taken_after.index(number)]
            planes.append(merge(merger, hidden, layout))
    return hidden, torch.stack(planes) if planes else None


def merge(merger: Any, hidden: Tensor, layout: FrameLayout) -> Tensor:
    """[T, S, C] to one embedding per cell [T, h, w, D]."""
    embeds: Tensor = merger(hidden)
    return embeds.view(len(hidden), *layout.cells, -1)
