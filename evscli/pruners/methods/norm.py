"""Baseline: the tokens of largest L2 norm, in one ranking over the video."""

from __future__ import annotations

from evscli.pruners.method import Pruner, nearest_count, nearest_rule
from evscli.records import KeptTokens, PruneInputs, VideoTokens


def norm(tokens: VideoTokens, inputs: PruneInputs, budget: float) -> KeptTokens:
    """Keep the tokens of largest norm."""
    import torch

    from evscli.pruners.ops.frames import float_chunks
    from evscli.pruners.ops.ranking import places

    t, h, w = tokens.grid_thw
    count = nearest_count(t, h * w, budget)
    norms = torch.empty((t, h * w), dtype=torch.float32, device=tokens.embeds.device)
    for start, stop, x in float_chunks(tokens.embeds):
        norms[start:stop] = torch.linalg.vector_norm(x, dim=-1)
    scores = norms.view(t, h, w)
    order = places(scores)
    return KeptTokens(mask=order < count, scores=scores, expected=count, order=order)


PRUNER = Pruner(
    name="norm",
    summary="keeps the tokens of largest norm",
    paper="baseline",
    order=91,
    function=norm,
    nested=nearest_rule,
)
