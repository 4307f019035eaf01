"""Baseline without a look at content: the first token of every 2x2 block of cells.

A quarter of the tokens is exactly the first of every block; other budgets take further tokens of
the blocks, or leave blocks out.
"""

from __future__ import annotations

from evscli.pruners.method import Pruner, nearest_count
from evscli.records import KeptTokens, PruneInputs, VideoTokens


def first_of_2x2(tokens: VideoTokens, inputs: PruneInputs, budget: float) -> KeptTokens:
    """Keep the top left cell of every 2x2 block, then the one across, then the other two.

    The places that the budget reaches wholly are kept in every block of every frame, the next one
    in evenly spread blocks over the video.
    """
    import torch

    from evscli.pruners.ops.spread import spread

    t, h, w = tokens.grid_thw
    count = nearest_count(t, h * w, budget)
    places = torch.tensor([[0, 2], [3, 1]])
    place = places.repeat((h + 1) // 2, (w + 1) // 2)[:h, :w].repeat(t, 1, 1)
    sizes = torch.bincount(place.flatten(), minlength=4)
    left = (count - (sizes.cumsum(0) - sizes)).clamp(min=0).minimum(sizes)
    mask = torch.zeros((t, h, w), dtype=torch.bool)
    for number in range(4):
        cells = (place.flatten() == number).nonzero().squeeze(1)
        mask.view(-1)[cells[spread(int(left[number]), len(cells))]] = True
    return KeptTokens(mask=mask.to(tokens.embeds.device), expected=count)


PRUNER = Pruner(
    name="first-of-2x2",
    summary="keeps the first cell of every 2x2 block",
    paper="baseline",
    order=92,
    function=first_of_2x2,
)
