"""Attention over frames of different lengths, as pruning leaves them inside a vision tower.

The tokens kept of all frames lie in one row, [K, C], so that everything but attention is a plain
product without padding. Frames of one length lie side by side: on a CPU each length is one batched
call, on CUDA all frames are one call of variable-length attention. Knows no family and no method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


@dataclass(frozen=True, kw_only=True, eq=False)
class Packing:
    """Which tokens of [T, S] are in the row of K, in which order, and which attend to which."""

    rows: Tensor
    """[K] int64 places in T*S, frame by frame; frames in the order of their lengths"""
    wanted: Tensor
    """[K] bool: kept; the others only serve as context"""
    lengths: tuple[tuple[int, int], ...]
    """(tokens of a frame, how many such frames), in the order of `rows`"""

    def take(self, states: Tensor) -> Tensor:
        """[T, S, C] to [K, C]."""
        return states.flatten(0, 1).index_select(0, self.rows)

    def put_back(self, states: Tensor, shape: Sequence[int]) -> Tensor:
        """[K, C] to [T, S, C] of `shape` (T, S), zero where nothing was wanted."""
        full = states.new_zeros((shape[0] * shape[1], states.shape[-1]))
        full.index_copy_(0, self.rows, states * self.wanted[:, None])
        return full.view(*shape, -1)


def pack(keep: Tensor, *, refill: bool = False) -> Packing:
    """Pack the tokens of `keep [T, S]`; waits once for the device, to learn the lengths.

    With `refill` a frame that shares its bin with no other (`alone`) keeps all its tokens as
    context, as the authors of STTS pack (arXiv 2603.18004): that changes the values of the tokens
    kept.
    """
    counts = keep.sum(dim=1).tolist()
    size = keep.shape[1]
    context = keep
    if refill and (lonely := alone(counts, size)):
        context = keep.clone()
        context[lonely] = True
        for frame in lonely:
            counts[frame] = size
    order = sorted((frame for frame, count in enumerate(counts) if count), key=counts.__getitem__)
    frames = torch.tensor(order, dtype=torch.int64, device=keep.device)
    places = context[frames].flatten().nonzero().squeeze(1)
    rows = frames[places // size] * size + places % size
    lengths = tuple(
        (length, len(list(same))) for length, same in groupby(order, key=counts.__getitem__)
    )
    return Packing(rows=rows, wanted=keep.flatten()[rows], lengths=lengths)


def alone(counts: Sequence[int], capacity: int) -> list[int]:
    """Frames that first-fit descending puts into a bin of `capacity` tokens by themselves."""
    return [frames[0] for frames in first_fit(counts, capacity) if len(frames) == 1]


def first_fit(counts: Sequence[int], capacity: int) -> list[list[int]]:
    """Bins of frames: the largest first, each into the first bin that has room for it."""
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


def attend_packed(query: Tensor, key: Tensor, value: Tensor, packing: Packing) -> Tensor:
    """Self-attention within frames on [K, heads, d]."""
    mixed = torch.empty_like(query)
    start = 0
    for length, frames in packing.lengths:
        stop = start + length * frames
        query_, key_, value_ = (
            s[start:stop].view(frames, length, *s.shape[1:]).transpose(1, 2)
            for s in (query, key, value)
        )
        frame = scaled_dot_product_attention(query_, key_, value_)
        mixed[start:stop] = frame.transpose(1, 2).flatten(0, 1)
        start = stop
    return mixed
