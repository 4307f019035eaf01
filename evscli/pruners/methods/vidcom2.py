"""VidCom2 (arXiv 2505.14454): more budget for unusual frames, and the unusual tokens of each.

Unusual tokens lie far from the mean of the video and of its frame, seen in the half of the
channels that vary least.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from evscli.budget import PruningRate, serving_count
from evscli.option import Option
from evscli.pruners.method import Pruner
from evscli.records import KeptTokens, PruneInputs, VideoTokens

if TYPE_CHECKING:
    from torch import Tensor

_TEMPERATURE = 0.01


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of VidCom2."""

    exact: Annotated[
        bool,
        Option("The count is the budget's, as in serving engines, and not the authors' own."),
    ] = True
    pruning_rate: PruningRate = None


def vidcom2(
    tokens: VideoTokens, inputs: PruneInputs, budget: float, options: Options
) -> KeptTokens:
    """Keep the tokens least like the video and their frame, more of them in unusual frames.

    The authors' counts per frame do not add up to the budget. With `exact` the most usual kept
    tokens are then dropped, or the most unusual others added, until they do. Without it the
    authors' own counts stay, except for budget 1, which keeps all here.
    """
    from evscli.pruners.ops.likeness import likeness
    from evscli.pruners.ops.ranking import keep_highest_per_frame

    t, h, w = tokens.grid_thw
    count = expected_count(t, h * w, budget, options)
    to_video, to_frame = likeness(tokens.embeds)
    shares = frame_shares(to_video, budget)
    scores = -(to_video + to_frame)
    budgets = (shares * (h * w)).round().long().clamp(min=1 if budget < 1 else h * w)
    mask = keep_highest_per_frame(scores, budgets)
    if options.exact:
        mask = _reconcile(mask, scores, count)
    return KeptTokens(
        mask=mask.view(t, h, w),
        scores=scores.view(t, h, w),
        expected=count if options.exact else int(budgets.sum()),
    )


def expected_count(frames: int, cells: int, budget: float, options: Options) -> int:
    """Count the tokens kept of `frames` temporal patches of `cells`; without `exact` about.

    Raises UsageError where rate and budget disagree.
    """
    return max(frames, serving_count(frames * cells, budget, options.pruning_rate))


PRUNER = Pruner(
    name="vidcom2",
    summary="gives more to unusual frames, keeps what is unlike its frame and the video",
    paper="VidCom2, arXiv 2505.14454",
    order=3,
    function=vidcom2,
    option_type=Options,
    expected_count=expected_count,
    content_decides_by_option=frozenset({"exact"}),
)


def _reconcile(mask: Tensor, scores: Tensor, count: int) -> Tensor:
    """Keep `count` tokens: of `mask` the highest `scores`, then the highest of the others."""
    order = scores.flatten().argsort(descending=True, stable=True)
    kept_first = mask.flatten()[order].int().argsort(descending=True, stable=True)
    exact = mask.new_zeros(mask.shape)
    exact.view(-1)[order[kept_first[:count]]] = True
    return exact


def frame_shares(to_video: Tensor, budget: float) -> Tensor:
    """Return the share of its tokens that each frame keeps: [T] in 0..1, larger for unusual frames.

    `to_video [T, N]` is the likeness to the video.
    """
    unusual = -to_video.mean(dim=1)
    weights = ((unusual - unusual.max()) / _TEMPERATURE).softmax(dim=0)
    return (budget * (1 + weights - weights.mean())).clamp(max=1)
