"""Attention over frames of different lengths, as pruning leaves them inside a vision tower.

The tokens kept of all frames lie in one row, [K, C], so that everything but attention is a plain
product without padding. Stretches of one length lie side by side: each length is one batched call,
or all stretches are one call of variable-length attention, on GPUs that have it. Knows no family
and no method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

HALF = (torch.float16, torch.bfloat16)
FLASH_SINCE = (8, 0)
"""The compute capability of the first GPUs with kernels for attention of variable length."""
FLASH_HEAD, FLASH_STEP = 256, 8
"""The most values of a head that these kernels take, and the number that they are a multiple of."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Stretches:
    """Tokens of a row that attend to each other, in stretches sorted by length."""

    order: Tensor | None
    """[K] int64: where the tokens of the stretches lie in the row; None: as they stand"""
    lengths: tuple[tuple[int, int], ...]
    """(tokens of a stretch, how many such stretches)"""
    device: torch.device

    @cached_property
    def ends(self) -> Tensor:
        """[n + 1] int32: where stretches begin and end, from 0."""
        lengths, counts = torch.tensor(self.lengths).T
        ends = lengths.repeat_interleave(counts).cumsum(0)
        return torch.nn.functional.pad(ends, (1, 0)).int().to(self.device)

    @cached_property
    def side_by_side(self) -> Stretches:
        """The stretches of a row that is in their own order."""
        return Stretches(order=None, lengths=self.lengths, device=self.device)

    def to(self, device: torch.device) -> Stretches:
        """Return the stretches for rows on another device."""
        order = None if self.order is None else self.order.to(device)
        return Stretches(order=order, lengths=self.lengths, device=device)


@dataclass(frozen=True, kw_only=True, eq=False)
class Packing:
    """The tokens of [T, S] in the row of K, and the stretches that attend to each other."""

    rows: Tensor
    """[K] int64 places in T*S, frame by frame; frames in the order of their lengths"""
    size: int
    """S"""
    frames: Stretches
    here: Tensor
    """[K] `rows` where the packing was made, mostly on the CPU"""

    def take(self, states: Tensor) -> Tensor:
        """Pack states [T, S, C] to [K, C], and bring them where the packing is.

        What is dropped does not travel.
        """
        rows = self.here if states.device == self.here.device else self.rows
        return states.flatten(0, 1).index_select(0, rows).to(self.rows.device)

    def to(self, device: torch.device) -> Packing:
        """Return the packing for states on another device."""
        return replace(self, rows=self.rows.to(device), frames=self.frames.to(device))


def pack(keep: Tensor) -> Packing:
    """Pack the tokens of `keep [T, S]`; waits for the device, to learn the lengths."""
    size = keep.shape[1]
    places = keep.flatten().nonzero().squeeze(1)
    frames = stretches(places // size)
    rows = places if frames.order is None else places[frames.order]
    return Packing(rows=rows, size=size, frames=frames.side_by_side, here=rows)


def refilled(keep: Tensor) -> Tensor:
    """Return `keep [T, S]` with all tokens of every frame that shares its bin with no other.

    The authors of STTS pack so (arXiv 2603.18004): the tokens added serve as context alone, which
    changes the values of those kept.
    """
    context = keep.clone()
    context[alone(keep.sum(dim=1).tolist(), keep.shape[1])] = True
    return context


def stretches(keys: Tensor) -> Stretches:
    """Return stretches of tokens with equal `keys [K]` (int64, 0 or more); waits for the device."""
    counts = torch.bincount(keys)
    order = (counts[keys] * len(counts) + keys).argsort(stable=True)
    lengths, repeats = torch.unique(counts[counts > 0], return_counts=True)
    pairs = zip(lengths.tolist(), repeats.tolist(), strict=True)
    return Stretches(order=order, lengths=tuple(pairs), device=keys.device)


def alone(counts: Sequence[int], capacity: int) -> list[int]:
    """Return the frames that first-fit descending puts into a bin of `capacity` tokens alone."""
    return [frames[0] for frames in first_fit(counts, capacity) if len(frames) == 1]


def first_fit(counts: Sequence[int], capacity: int) -> list[list[int]]:
    """Pack frames into bins: the largest first, each into the first bin that has room for it."""
    bins: list[list[int]] = []
    room: list[int] = []
    for frame in sorted(range(len(counts)), key=lambda frame: -counts[frame]):
        if not counts[frame]:
            continue
        where = next((b for b, free in enumerate(room) if free >= counts[frame]), None)
        if where is None:
            bins.append([])
            room.append(capacity)
            where = len(bins) - 1
        bins[where].append(frame)
        room[where] -= counts[frame]
    return bins


def attend_packed(query: Tensor, key: Tensor, value: Tensor, within: Stretches) -> Tensor:
    """Apply self-attention to [K, heads, d] within stretches."""
    if within.order is not None:
        order = within.order
        mixed = attend_packed(query[order], key[order], value[order], within.side_by_side)
        return torch.empty_like(mixed).index_copy_(0, order, mixed)
    if takes_any_length(query):
        return _attend_at_once(query, key, value, within)
    return _attend_by_length(query, key, value, within)


def takes_any_length(states: Tensor) -> bool:
    """Return whether attention of variable length runs on states [K, heads, d] where they are."""
    head = states.shape[-1]
    fits = head <= FLASH_HEAD and head % FLASH_STEP == 0
    return states.is_cuda and states.dtype in HALF and fits and _has_flash(states.device)


@cache
def _has_flash(device: torch.device) -> bool:
    built = torch.backends.cuda.is_flash_attention_available()
    return built and torch.cuda.get_device_capability(device) >= FLASH_SINCE


def _attend_by_length(query: Tensor, key: Tensor, value: Tensor, within: Stretches) -> Tensor:
    mixed = torch.empty_like(query)
    start = 0
    for length, count in within.lengths:
        stop = start + length * count
        some_query, some_key, some_value = (
            states[start:stop].view(count, length, *states.shape[1:]).transpose(1, 2)
            for states in (query, key, value)
        )
        some = scaled_dot_product_attention(some_query, some_key, some_value)
        mixed[start:stop].view(count, length, *mixed.shape[1:]).copy_(some.transpose(1, 2))
        start = stop
    return mixed


def _attend_at_once(query: Tensor, key: Tensor, value: Tensor, within: Stretches) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn

    ends, longest = within.ends, within.lengths[-1][0]
    mixed = varlen_attn(query, key, value, ends, ends, longest, longest)
    assert isinstance(mixed, Tensor)
    return mixed
