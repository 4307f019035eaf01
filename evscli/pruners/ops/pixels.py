"""The pixels of cells as tokens, for methods that are made for tokens and run before an encoder.

A token is its cell made small: 4 x 4 means of each colour of each frame of its temporal patch, less
the mean over the video. A token that short takes little time and memory to compare; with 1 or 2
means along a side, or the mean left in, `surprise` before an encoder answered less
(`docs/evidence.md`).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from evscli.pruners.ops.frame_change import whole_patches
from evscli.records import PixelSource, VideoTokens

SIDE = 4
"""The means along a side of a cell."""
LEVELS = 255.0
"""The levels of uint8, by which tokens are divided."""


def pixel_tokens(pixels: PixelSource, grid_thw: tuple[int, int, int]) -> VideoTokens:
    """Return the cells of a video, made small, as tokens [T, h, w, t * 3 * 16].

    The pixels are those of T temporal patches of t frames. The tokens are on the CPU, in float32.
    """
    t, h, w = grid_thw
    small = torch.stack([*small_frames(pixels, (h, w))])
    tokens = small.view(t, -1, *small.shape[1:]).permute(0, 2, 3, 1, 4).flatten(3)
    # In float64, where the order of a sum, and so the number of threads, hardly matters.
    mean = tokens.mean(dim=(0, 1, 2), dtype=torch.float64).float()
    return VideoTokens.from_embeds(tokens - mean)


def small_frames(pixels: PixelSource, cells: tuple[int, int]) -> Iterator[Tensor]:
    """Yield the cells (h, w) of every frame made small: [h, w, 3 * 16]."""
    h, w = cells
    for frame in whole_patches(pixels):
        means = functional.adaptive_avg_pool2d(frame.float(), (h * SIDE, w * SIDE))
        split = means.div_(LEVELS).view(3, h, SIDE, w, SIDE)
        yield split.permute(1, 3, 0, 2, 4).reshape(h, w, 3 * SIDE * SIDE)
