"""A pruning method for `evs` in a package of its own: the cells with the brightest pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from evscli.budget import floor_count
from evscli.pruners import Pruner
from evscli.records import KeptTokens, PruneInputs, VideoTokens


def brightness_count(frames: int, cells: int, budget: float, *, darkest: bool = False) -> int:
    """Tokens kept of `frames` temporal patches of `cells` tokens."""
    del darkest
    return floor_count(frames * cells, budget)


def brightness(
    tokens: VideoTokens, inputs: PruneInputs, budget: float, *, darkest: bool = False
) -> KeptTokens:
    """Keep the brightest cells of the whole video, or the darkest."""
    assert inputs.pixels is not None
    t, h, w = tokens.grid_thw
    per_patch = inputs.pixels.temporal_patch_size
    sums = [chunk.float().mean(dim=1) for chunk in inputs.pixels.chunks()]
    scores = cell_means(torch.cat(sums), per_patch, h, w)
    count = brightness_count(t, h * w, budget)
    order = (scores if darkest else -scores).flatten().argsort(stable=True)
    mask = torch.zeros(t * h * w, dtype=torch.bool)
    mask[order[:count]] = True
    return KeptTokens(mask=mask.view(t, h, w), scores=scores, expected=count)


def cell_means(luma: Tensor, per_patch: int, h: int, w: int) -> Tensor:
    """[T, h, w] of frames [F, H, W]."""
    frames = luma.unflatten(0, (-1, per_patch)).mean(dim=1)
    return frames.unflatten(1, (h, -1)).unflatten(3, (w, -1)).mean(dim=(2, 4))


PRUNER = Pruner(
    name="brightness",
    summary="keeps the brightest cells",
    paper="an example",
    function=brightness,
    expected_count=brightness_count,
    needs=frozenset({"pixels"}),
)
