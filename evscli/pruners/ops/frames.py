"""Walks over a video's tokens a few frames at a time, in float32.

Tokens may be gigabytes on disk. A chunk that fits the processor's cache is read once for all
scores of it, and bounds every temporary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import Tensor

# Counted in values, not bytes: bfloat16 tokens then meet the same kernels in the same shapes as
# their float32 copy would, and give the same scores to the last bit.
_CACHED_VALUES = 1_800_000
_ACCELERATOR_VALUES = 1 << 25


def frame_spans(embeds: Tensor, device: torch.device | None = None) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of runs of frames that cover `embeds [T, h, w, D]` in order.

    The runs are as long as suits the device of the computation: `device`, by default their own.
    """
    length = span_length(embeds, device)
    for start in range(0, embeds.shape[0], length):
        yield start, min(start + length, embeds.shape[0])


def span_length(embeds: Tensor, device: torch.device | None = None) -> int:
    """Return the number of frames of `embeds [T, h, w, D]` in one chunk."""
    where = device or embeds.device
    values = _CACHED_VALUES if where.type == "cpu" else _ACCELERATOR_VALUES
    return min(max(1, values // max(1, embeds[:1].numel())), max(1, embeds.shape[0]))


def all_finite(embeds: Tensor) -> bool:
    """Return whether no value of `embeds [T, h, w, D]` is NaN or infinite; waits for the device."""
    if embeds.numel() == 0:
        return True
    for start, stop in frame_spans(embeds):
        # Extremes carry NaN through; a sum of finite values could overflow, and `isfinite` on all
        # values takes longer than a method does.
        extremes = torch.stack(embeds[start:stop].detach().aminmax())
        if not extremes.isfinite().all():
            return False
    return True


def float_chunks(embeds: Tensor, *, overlap: int = 0) -> Iterator[tuple[int, int, Tensor]]:
    """Yield (start, stop, x) with x the frames start-overlap..stop-1 as float32 [f, h*w, D].

    Frames before the first are left out, and there is no autograd. x is valid until the next step:
    one buffer serves all chunks, because fresh memory for each costs more than the conversion.
    """
    embeds = embeds.detach()
    shape = (span_length(embeds) + overlap, *embeds.shape[1:])
    converts = embeds.dtype != torch.float32 or not embeds.is_contiguous()
    buffer = torch.empty(shape if converts else 0, dtype=torch.float32, device=embeds.device)
    for start, stop in frame_spans(embeds):
        x = embeds[max(start - overlap, 0) : stop]
        yield start, stop, (buffer[: len(x)].copy_(x) if converts else x).flatten(1, 2)


def keep_in_parts(
    embeds: Tensor, count: int, most: int, choose: Callable[[int, int, int], Tensor]
) -> Tensor:
    """Keep `count` tokens of `embeds [T, h, w, D]` by a rule that compares all pairs: [T, h, w].

    `choose(start, stop, share)` returns row numbers among the tokens of a part, frames
    start..stop-1, which are of at most `most` tokens or one frame.
    """
    t, h, w, _ = embeds.shape
    mask = torch.zeros((t, h * w), dtype=torch.bool, device=embeds.device)
    for start, stop, share in parts(t, h * w, count, most):
        mask[start:stop].view(-1)[choose(start, stop, share)] = True
    return mask.view(t, h, w)


def parts(frames: int, cells: int, count: int, most: int) -> Iterator[tuple[int, int, int]]:
    """Yield (start, stop, share) of runs of whole frames of at most `most` tokens, or of one frame.

    The runs are for rules that compare all pairs. They are as even as can be and the shares, in
    proportion to their frames, sum to `count`.
    """
    runs = -(-frames // max(1, most // cells))
    edges = [frames * run // runs for run in range(runs + 1)]
    for start, stop in pairwise(edges):
        yield start, stop, count * stop // frames - count * start // frames
