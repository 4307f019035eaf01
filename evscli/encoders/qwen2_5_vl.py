"""The Qwen2.5-VL vision tower on batched frames, with its windowed attention.

Runs the modules of transformers' own tower in the layout [T, S, C], S patches for each of T
temporal patches. Windows of one size are a batch: a layer needs one attention call per size, of
which a grid has four at most. Knows no checkpoint, no processor and no device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from transformers.vision_utils import get_vision_position_ids, get_vision_window_index

from evscli.encoders.attention import Rotary, Windows, run_block


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameLayout:
    """What depends on the patch grid alone, the same for every temporal patch."""

    cells: tuple[int, int]
    """(h, w) of the merged grid"""
    order: Tensor
    """[h * w] raster number of each cell, window by window: the order the blocks see cells in"""
    rotary: Rotary
    windows: tuple[Windows, ...]
    """Of the windowed blocks; blocks of full attention see the frame as one window."""


def frame_encoder(vision: Any, grid_hw: tuple[int, int]) -> Callable[[Tensor], tuple[Tensor, None]]:
    """A function from patches [T, S, P] to embeds [T, h, w, D]; this family has no DeepStack.

    `grid_hw` counts patches, before merging.
    """
    layout = frame_layout(vision, grid_hw)

    def encode(patches: Tensor) -> tuple[Tensor, None]:
        hidden = run_blocks(vision, embed_patches(vision, patches, layout), layout)
        return merge(vision, hidden, layout), None

    return encode


def frame_layout(vision: Any, grid_hw: tuple[int, int]) -> FrameLayout:
    """Positions and windows of one temporal patch, by the helpers of transformers' own forward."""
    grid = torch.tensor([[1, *grid_hw]])
    merge_size, unit = vision.spatial_merge_size, vision.spatial_merge_unit
    order, ends = get_vision_window_index(
        grid, merge_size, window_size=vision.window_size, patch_size=vision.patch_size
    )
    device = vision.patch_embed.proj.weight.device
    ids = get_vision_position_ids(grid, merge_size)
    ids = ids.view(-1, unit, 2)[order].view(-1, 2).to(device)
    cos, sin = vision.rotary_pos_emb(ids, ids)
    return FrameLayout(
        cells=(grid_hw[0] // merge_size, grid_hw[1] // merge_size),
        order=order.to(device),
        rotary=Rotary(cos=cos[:, None, None].float(), sin=sin[:, None, None].float()),
        windows=windows_by_size(ends.tolist(), device),
    )


def windows_by_size(ends: list[int], device: torch.device) -> tuple[Windows, ...]:
    """Group windows that lie one after the other and end at `ends` (the first entry is 0)."""
    by_length: dict[int, list[Tensor]] = {}
    for start, stop in pairwise(ends):
        by_length.setdefault(stop - start, []).append(torch.arange(start, stop, device=device))
    if len(by_length) == 1:
        return (Windows(ends[1]),)
    return tuple(Windows(length, torch.cat(group)) for length, group in by_length.items())


def embed_patches(vision: Any, patches: Tensor, layout: FrameLayout) -> Tensor:
    """Normalised patches [T, S, P] to hidden states [T, S, C], in the order of the layout."""
    frames, count = patches.shape[:2]
    embedded: Tensor = vision.patch_embed(patches.flatten(0, 1))
    cells = embedded.view(frames, len(layout.order), vision.spatial_merge_unit, -1)
    return cells[:, layout.order].view(frames, count, -1)


def run_blocks(vision: Any, hidden: Tensor, layout: FrameLayout) -> Tensor:
    """All blocks on [T, S, C]: windowed attention, and full attention where the model has it."""
    whole = (Windows(hidden.shape[1]),)
    for number, block in enumerate(vision.blocks):
        windows = whole if number in vision.fullatt_block_indexes else layout.windows
        hidden = run_block(block, hidden, layout.rotary, windows)
    return hidden


def merge(vision: Any, hidden: Tensor, layout: FrameLayout) -> Tensor:
    """[T, S, C] in the order of the layout to one embedding per cell [T, h, w, D], in raster."""
    merged: Tensor = vision.merger(hidden)
    ordered = merged.view(len(hidden), len(layout.order), -1)
    return ordered[:, layout.order.argsort()].view(len(hidden), *layout.cells, -1)
