"""No pruning: every token is kept, the reference that methods are measured against.

Imports torch only when it runs.
"""

from __future__ import annotations

from evscli.records import KeptTokens, PruneInputs, VideoTokens


def keep_all(tokens: VideoTokens, inputs: PruneInputs, budget: float) -> KeptTokens:
    """Keep every token."""
    import torch

    del inputs
    t, h, w = tokens.grid_thw
    mask = torch.ones((t, h, w), dtype=torch.bool, device=tokens.embeds.device)
    return KeptTokens(mask=mask, expected=keep_all_count(t, h * w, budget))


def keep_all_count(frames: int, cells: int, budget: float) -> int:
    """All tokens of `frames` temporal patches of `cells` tokens."""
    del budget
    return frames * cells
