"""The Qwen2.5-VL vision tower on batched frames, with its windowed attention.

Runs the modules of transformers' own tower in the layout [T, S, C], S patches for each of T
temporal patches. Windows of one size are a batch: a layer needs one attention call per size, of
which a grid has four at most. Knows no checkpoint, no processor and no device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from transformers.vision_utils import get_vision_position_ids, get_vision_window_index

from evscli.models.parts.attention import PackedBlocks, Rotary, Windows, run_block
from evscli.models.parts.packing import Packing, stretches
from evscli.models.parts.patch_embedding import embed_patches


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameLayout:
    """Positions and windows, which depend on the patch grid alone and not on the time."""

    cells: tuple[int, int]
    """(h, w) of the merged grid"""
    order: Tensor
    """[h * w] raster number of each cell, window by window: the order the blocks see cells in"""
    rotary: Rotary
    windows: tuple[Windows, ...]
    """The windows of windowed blocks; blocks of full attention see the frame as one window."""
    window_of: Tensor
    """[S] the number of each patch's window in windowed blocks, on the CPU"""


class Qwen25Tower:
    """A Qwen2.5-VL tower for frames of `grid_hw` patches, before merging; it has no DeepStack."""

    shares_patches = False

    def __init__(self, vision: Any, grid_hw: tuple[int, int]) -> None:
        self.vision = vision
        self.layout = frame_layout(vision, grid_hw)
        self.cells = self.layout.cells
        self.size = grid_hw[0] * grid_hw[1]
        self.depth = len(vision.blocks)
        self.heads = int(vision.config.num_heads)
        self.read_after = (self.depth - 1,)

    @cached_property
    def window_patches(self) -> Tensor:
        """[h*w, p]: windows, in raster order, lie where the layout puts them."""
        order, unit = self.layout.order, self.vision.spatial_merge_unit
        first = order.argsort()[:, None] * int(unit)
        return first + torch.arange(unit, device=order.device)

    def embed(self, patches: Tensor) -> Tensor:
        """Turn normalised patches [T, S, P] to hidden states [T, S, C] in the layout's order."""
        order = self.layout.order
        embedded = embed_patches(self.vision.patch_embed.proj, patches.flatten(0, 1))
        cells = embedded.view(len(patches), len(order), self.vision.spatial_merge_unit, -1)
        return cells[:, order].view(*patches.shape[:2], -1)

    def embed_rows(self, patches: Tensor, rows: Tensor) -> Tensor:
        """Do what `embed` does for `rows [K]` alone, which are places in T*S: to [K, C]."""
        order, unit = self.layout.order, self.vision.spatial_merge_unit
        place = rows % self.size
        given = order[place // unit] * unit + place % unit
        return embed_patches(self.vision.patch_embed.proj, patches[rows // self.size, given])

    def block(self, number: int, hidden: Tensor, bias: Tensor | None = None) -> Tensor:
        """Run one block on [T, S, C]: of windowed attention, or of full where the model has it."""
        layout = self.layout
        whole = number in self.vision.fullatt_block_indexes
        windows = (Windows(hidden.shape[1]),) if whole else layout.windows
        return run_block(self.vision.blocks[number], hidden, layout.rotary, windows, bias)

    def packed(self, packing: Packing) -> PackedBlocks:
        """Return the tower that runs on the tokens of a packing."""
        place, frame = packing.here % packing.size, packing.here // packing.size
        window = self.layout.window_of.to(place.device)
        windows = stretches(frame * (int(window.max()) + 1) + window[place])
        windows, place = windows.to(packing.rows.device), packing.rows % packing.size
        whole = self.vision.fullatt_block_indexes
        return PackedBlocks(
            blocks=self.vision.blocks,
            rotary=self.layout.rotary.at(place),
            within=lambda number: packing.frames if number in whole else windows,
        )

    def tokens(self, states: Mapping[int, Tensor]) -> tuple[Tensor, None]:
        """Turn the last output [T, S, C], in the order of the layout, to embeds [T, h, w, D]."""
        embeds: Tensor = self.vision.merger(states[self.depth - 1])
        order = self.layout.order
        ordered = embeds.view(-1, len(order), embeds.shape[-1])[:, order.argsort()]
        return ordered.view(len(ordered), *self.cells, -1), None

    def window_tokens(self, states: Mapping[int, Tensor], windows: Tensor) -> tuple[Tensor, None]:
        """Do what `tokens` does for windows by themselves: [n, p, C] to [n, D]."""
        del windows
        return self.vision.merger(states[self.depth - 1]), None


def frame_layout(vision: Any, grid_hw: tuple[int, int]) -> FrameLayout:
    """Return positions and windows of a temporal patch, by the helpers of transformers' forward."""
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
        window_of=torch.arange(len(ends) - 1).repeat_interleave(ends.diff()),
    )


def windows_by_size(ends: list[int], device: torch.device) -> tuple[Windows, ...]:
    """Group windows that lie one after the other and end at `ends` (the first entry is 0)."""
    by_length: dict[int, list[Tensor]] = {}
    for start, stop in pairwise(ends):
        by_length.setdefault(stop - start, []).append(torch.arange(start, stop, device=device))
    if len(by_length) == 1:
        return (Windows(ends[1]),)
    return tuple(Windows(length, torch.cat(group)) for length, group in by_length.items())
