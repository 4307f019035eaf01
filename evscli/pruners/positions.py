"""The tokens that a mask keeps: their positions and their rows, in raster order.

A few frames are read and written at a time, because tokens may be backed by a file and larger than
memory.
"""

from __future__ import annotations

import torch
from torch import Tensor

from evscli.pruners.ops.frames import frame_spans
from evscli.records import VideoTokens
from evscli.scratch import allocate


def position_ids(mask: Tensor) -> Tensor:
    """Return 0-based (t, h, w) cells of the tokens kept by `mask [T, h, w]`: [K, 3] int32."""
    return mask.nonzero().int()


def gather_tokens(tokens: VideoTokens, mask: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return the kept embeddings [K, D] and DeepStack rows [L, K, D] (or None), on the CPU.

    Values and dtype are unchanged. Large results live in a scratch file. Raises
    ValueError for a mask of another grid, OSError on a full disk.
    """
    if tuple(mask.shape) != tokens.grid_thw:
        raise ValueError(f"mask {tuple(mask.shape)} is not of the token grid {tokens.grid_thw}")
    mask = mask.cpu()
    embeds = _kept_planes(tokens.embeds[None], mask)[0]
    if tokens.deepstack is None:
        return embeds, None
    return embeds, _kept_planes(tokens.deepstack, mask)


def _kept_planes(planes: Tensor, mask: Tensor) -> Tensor:
    """Return the rows of `planes [L, T, h, w, D]` that `mask` keeps: [L, K, D] on the CPU."""
    shape = (planes.shape[0], int(mask.sum()), planes.shape[-1])
    kept = allocate(shape, planes.dtype)
    for plane, rows in zip(planes.detach(), kept, strict=True):
        filled = 0
        for start, stop in frame_spans(plane):
            index = mask[start:stop].flatten().nonzero().squeeze(1)
            target = rows[filled : filled + len(index)]
            _copy_rows(plane[start:stop].flatten(0, 2), index, target)
            filled += len(index)
    return kept


def _copy_rows(source: Tensor, index: Tensor, target: Tensor) -> None:
    if source.device.type == "cpu":
        torch.index_select(source, 0, index, out=target)
    else:
        target.copy_(source.index_select(0, index.to(source.device)))
