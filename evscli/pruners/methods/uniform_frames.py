"""Baseline without a look at content: whole temporal patches evenly spread over time."""

from __future__ import annotations

from evscli.pruners.method import Pruner, nearest_count
from evscli.records import KeptTokens, PruneInputs, VideoTokens


def uniform_frames(tokens: VideoTokens, inputs: PruneInputs, budget: float) -> KeptTokens:
    """Keep evenly spread frames whole.

    The nearest whole number of tokens to the budget is kept. Where it is not a multiple of a frame,
    the last of the spread frames keeps the rest, evenly spread over its cells.
    """
    import torch

    from evscli.pruners.ops.spread import spread, spread_cells

    t, h, w = tokens.grid_thw
    count = nearest_count(t, h * w, budget)
    whole, rest = divmod(count, h * w)
    chosen = spread(whole + (rest > 0), t)
    mask = torch.zeros((t, h, w), dtype=torch.bool)
    mask[chosen[:whole]] = True
    mask[chosen[whole:]] = spread_cells(rest, h, w)
    return KeptTokens(mask=mask.to(tokens.embeds.device), expected=count)


PRUNER = Pruner(
    name="uniform-frames",
    summary="keeps whole frames evenly spread over time",
    paper="baseline",
    order=93,
    function=uniform_frames,
)
