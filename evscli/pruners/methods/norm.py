"""Baseline: the tokens of largest L2 norm, in one ranking over the video.

Imports torch only when it runs.
"""

from __future__ import annotations

from evscli.pruners.budget import round_count
from evscli.records import KeptTokens, PruneInputs, VideoTokens


def norm(tokens: VideoTokens, inputs: PruneInputs, budget: float) -> KeptTokens:
    """Keep the tokens of largest norm."""
    from evscli.pruners.ops.frames import token_norms
    from evscli.pruners.ops.ranking import keep_highest

    del inputs
    t, h, w = tokens.grid_thw
    count = norm_count(t, h * w, budget)
    scores = token_norms(tokens.embeds).view(t, h, w)
    return KeptTokens(mask=keep_highest(scores, count), scores=scores, expected=count)


def norm_count(frames: int, cells: int, budget: float) -> int:
    """Tokens kept of `frames` temporal patches of `cells` tokens."""
    return round_count(frames * cells, budget)
