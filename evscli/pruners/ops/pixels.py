"""The pixels of cells as tokens, for methods that are made for tokens and run before an encoder.

A token is its cell made small: 4 x 4 means of each colour of each frame of its temporal patch, less
the mean over the video. A token that short takes little time and memory to compare.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

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
    small = torch.cat([small_frames(chunk, (h, w)) for chunk in pixels.chunks()])
    missing = -len(small) % pixels.temporal_patch_size
    whole = torch.cat([small, small[-1:].expand(missing, -1, -1, -1)])
    tokens = whole.view(t, -1, *whole.shape[1:]).permute(0, 2, 3, 1, 4).flatten(3)
    # In float64, where the order of a sum, and so the number of threads, hardly matters.
    mean = tokens.mean(dim=(0, 1, 2), dtype=torch.float64).float()
    return VideoTokens.from_embeds(tokens - mean)


def small_frames(frames: Tensor, cells: tuple[int, int]) -> Tensor:
    """Return the cells (h, w) of frames [f, 3, H, W] made small: [f, h, w, 3 * 16] on the CPU."""
    h, w = cells
    means = functional.adaptive_avg_pool2d(frames.cpu().float(), (h * SIDE, w * SIDE))
    split = means.div_(LEVELS).view(-1, 3, h, SIDE, w, SIDE)
    return split.permute(0, 2, 4, 1, 3, 5).reshape(-1, h, w, 3 * SIDE * SIDE)
