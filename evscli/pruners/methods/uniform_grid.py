"""Baseline without a look at content: the same evenly spread cells of every frame."""

from __future__ import annotations

from evscli.pruners.method import Pruner, nearest_count
from evscli.records import KeptTokens, PruneInputs, VideoTokens


def uniform_grid(tokens: VideoTokens, inputs: PruneInputs, budget: float) -> KeptTokens:
    """Keep the same evenly spread cells of every frame.

    The nearest whole number of tokens to the budget is kept. Where it is not a multiple of the
    number of frames, evenly spread frames keep one cell more.
    """
    from evscli.pruners.ops.spread import spread, spread_cells

    t, h, w = tokens.grid_thw
    count = nearest_count(t, h * w, budget)
    cells, longer = divmod(count, t)
    pattern = spread_cells(cells, h, w)
    mask = pattern.repeat(t, 1, 1)
    if longer:
        wanted = spread_cells(cells + 1, h, w) & ~pattern
        extra = wanted.flatten().nonzero()[0]
        mask.view(t, h * w)[spread(longer, t), extra] = True
    return KeptTokens(mask=mask.to(tokens.embeds.device), expected=count)


PRUNER = Pruner(
    name="uniform-grid",
    summary="keeps the same evenly spread cells of every frame",
    paper="baseline",
    order=94,
    function=uniform_grid,
)
