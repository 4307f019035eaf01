"""DivPrune (arXiv 2503.02175): the most diverse subset, by distances between tokens.

Every token kept is as far as can be from those kept before it. That compares all pairs, so long
videos are cut into parts of whole frames. Imports torch only when it runs.
"""

from __future__ import annotations

from evscli.errors import UsageError
from evscli.pruners.budget import round_count
from evscli.records import KeptTokens, PruneInputs, VideoTokens

PART = 4096


def divprune(
    tokens: VideoTokens, inputs: PruneInputs, budget: float, *, part: int = PART
) -> KeptTokens:
    """Keep a subset whose tokens are far from each other in cosine distance.

    `part` is the most tokens compared with each other: a video of more is cut into runs of whole
    frames that share the budget evenly. With `part=1` every frame is by itself.
    """
    import torch

    from evscli.pruners.ops.greedy import farthest_points, parts, unit_tokens

    del inputs
    t, h, w = tokens.grid_thw
    count = divprune_count(t, h * w, budget, part=part)
    mask = torch.zeros((t, h * w), dtype=torch.bool, device=tokens.embeds.device)
    for start, stop, share in parts(t, h * w, count, part):
        chosen = farthest_points(unit_tokens(tokens.embeds[start:stop]), share)
        mask[start:stop].view(-1)[chosen] = True
    return KeptTokens(mask=mask.view(t, h, w), expected=count)


def divprune_count(frames: int, cells: int, budget: float, *, part: int = PART) -> int:
    """Tokens kept of `frames` temporal patches of `cells` tokens.

    Raises UsageError for a `part` below 1.
    """
    if part < 1:
        raise UsageError(f"option part of divprune must be at least 1, got {part}: give tokens")
    return round_count(frames * cells, budget)
