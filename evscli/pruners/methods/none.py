"""No pruning: every token is kept, the reference that methods are measured against."""

from __future__ import annotations

from evscli.pruners.method import Pruner
from evscli.records import KeptTokens, PruneInputs, VideoTokens


def keep_all(tokens: VideoTokens, inputs: PruneInputs, budget: float) -> KeptTokens:
    """Keep every token."""
    import torch

    t, h, w = tokens.grid_thw
    mask = torch.ones((t, h, w), dtype=torch.bool, device=tokens.embeds.device)
    return KeptTokens(mask=mask, expected=expected_count(t, h * w, budget))


def expected_count(frames: int, cells: int, budget: float) -> int:
    """Count all tokens of `frames` temporal patches of `cells` tokens."""
    return frames * cells


PRUNER = Pruner(
    name="none",
    summary="keeps every token",
    paper="baseline",
    order=96,
    function=keep_all,
    expected_count=expected_count,
    keeps_all=True,
)
