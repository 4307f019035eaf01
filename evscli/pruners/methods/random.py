"""Baseline: a random subset of all tokens, the reference of every comparison of methods."""

from __future__ import annotations

from evscli.pruners.method import Pruner, nearest_count, nearest_rule
from evscli.records import KeptTokens, PruneInputs, VideoTokens


def random_subset(tokens: VideoTokens, inputs: PruneInputs, budget: float) -> KeptTokens:
    """Keep a uniformly random subset, drawn with `inputs.seed` and alike on every device.

    The nearest whole number of tokens to the budget is kept.
    """
    import torch

    from evscli.pruners.ops.ranking import places_in

    t, h, w = tokens.grid_thw
    count = nearest_count(t, h * w, budget)
    generator = torch.Generator().manual_seed(inputs.seed)
    drawn = places_in(torch.randperm(t * h * w, generator=generator))
    order = drawn.view(t, h, w).to(tokens.embeds.device)
    return KeptTokens(mask=order < count, expected=count, order=order)


PRUNER = Pruner(
    name="random",
    summary="keeps a random subset of all tokens",
    paper="baseline",
    order=95,
    function=random_subset,
    nested=nearest_rule,
    random=True,
    algorithm_version=2,
)
