"""Baseline: the same evenly spread cells of every frame; looks at no content.

Imports torch only when it runs.
"""

from __future__ import annotations

from evscli.pruners.budget import round_count
from evscli.records import KeptTokens, PruneInputs, VideoTokens


def uniform_grid(tokens: VideoTokens, inputs: PruneInputs, budget: float) -> KeptTokens:
    """Keep the same evenly spread cells of every frame.

    The nearest whole number of tokens to the budget is kept; where it is no multiple of the
    number of frames, evenly spread frames keep one cell more.
    """
    from evscli.pruners.ops.spread import spread, spread_cells

    del inputs
    t, h, w = tokens.grid_thw
    count = uniform_grid_count(t, h * w, budget)
    cells, longer = divmod(count, t)
    pattern = spread_cells(cells, h, w)
    mask = pattern.repeat(t, 1, 1)
    if longer:
        wanted = spread_cells(cells + 1, h, w) & ~pattern
        extra = wanted.flatten().nonzero()[0]
        mask.view(t, h * w)[spread(longer, t), extra] = True
    return KeptTokens(mask=mask.to(tokens.embeds.device), expected=count)


def uniform_grid_count(frames: int, cells: int, budget: float) -> int:
    """Tokens kept of `frames` temporal patches of `cells` tokens."""
    return round_count(frames * cells, budget)
