"""VidCom2 (arXiv 2505.14454): more budget for unusual frames, and the unusual tokens of each.

Unusual is what lies far from the mean of the video and of its frame, seen in the half of the
channels that vary least. This file states the rule and its counts; uniqueness.py computes the
scores. Imports torch only when it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evscli.pruners.budget import check_rate, floor_count
from evscli.records import KeptTokens, PruneInputs, VideoTokens

if TYPE_CHECKING:
    from torch import Tensor

TEMPERATURE = 0.01


def vidcom2(
    tokens: VideoTokens,
    inputs: PruneInputs,
    budget: float,
    *,
    exact: bool = True,
    pruning_rate: float | None = None,
) -> KeptTokens:
    """Keep the tokens least like the video and their frame, more of them in unusual frames.

    The authors' counts per frame do not add up to the budget. With `exact` the video then gives up
    its most usual kept tokens, or takes its most unusual others, until they do, as serving engines
    have it; `exact=False` is the authors' own, but for budget 1, which keeps all here.
    `pruning_rate` q, given beside a budget of 1-q, counts `int(T*N*(1-q))` exactly as the engines
    compute it.
    """
    from evscli.pruners.methods.uniqueness import frame_shares, likeness
    from evscli.pruners.ops.ranking import keep_highest_per_frame

    del inputs
    t, h, w = tokens.grid_thw
    count = vidcom2_count(t, h * w, budget, exact=exact, pruning_rate=pruning_rate)
    to_video, to_frame = likeness(tokens.embeds)
    shares = frame_shares(to_video, budget, temperature=TEMPERATURE)
    scores = -(to_video + to_frame)
    budgets = (shares * (h * w)).round().long().clamp(min=1 if budget < 1 else h * w)
    mask = keep_highest_per_frame(scores, budgets)
    if exact:
        mask = _reconcile(mask, scores, count)
    return KeptTokens(
        mask=mask.view(t, h, w),
        scores=scores.view(t, h, w),
        expected=count if exact else int(budgets.sum()),
    )


def vidcom2_count(
    frames: int,
    cells: int,
    budget: float,
    *,
    exact: bool = True,
    pruning_rate: float | None = None,
) -> int:
    """Tokens kept of `frames` temporal patches of `cells` tokens; about so many without `exact`.

    Raises UsageError where rate and budget disagree.
    """
    del exact
    tokens = frames * cells
    if pruning_rate is None:
        return max(frames, floor_count(tokens, budget))
    return max(frames, int(tokens * (1 - check_rate(pruning_rate, budget))))


def _reconcile(mask: Tensor, scores: Tensor, count: int) -> Tensor:
    """`count` tokens: of those in `mask` the highest `scores`, then the highest of the others."""
    import torch

    order = scores.flatten().argsort(descending=True, stable=True)
    kept_first = mask.flatten()[order].int().argsort(descending=True, stable=True)
    exact = torch.zeros_like(mask)
    exact.view(-1)[order[kept_first[:count]]] = True
    return exact
