"""VidCom2 (arXiv 2505.14454): more budget for unusual frames, and the unusual tokens of each.

Unusual tokens lie far from the mean of the video and of its frame, seen in the half of the
channels that vary least. Three walks over the tokens, a few frames at a time, compute the scores.
The chosen channels are not copied: the others are zeroed in the few vectors that tokens are
multiplied with.
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
_WIDTHS = (1 / 8, 1 / 4, 1 / 2, 1, 2)
"""The widths of the Gaussian kernels whose sum is the likeness."""
_EPS = 1e-12


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


def likeness(embeds: Tensor) -> tuple[Tensor, Tensor]:
    """Return the likeness of each token of `embeds [T, h, w, D]` to the means of video and frame.

    Both are [T, h*w] float32 in 0..5: `sum over a of exp(-||x - c||^2 / 2a)` of unit tokens and
    means that are not scaled again.
    """
    import torch

    from evscli.pruners.ops.frames import float_chunks

    t, h, w, width = embeds.shape
    chosen = steady_channels(embeds)
    norms = torch.empty((t, h * w), dtype=torch.float32, device=embeds.device)
    to_frame, lengths = torch.empty_like(norms), torch.empty_like(norms)
    means = torch.empty((t, width), dtype=torch.float32, device=embeds.device)
    squares = torch.empty(0, dtype=torch.float32, device=embeds.device)
    for start, stop, x in float_chunks(embeds):
        squares = squares if squares.shape == x.shape else torch.empty_like(x)
        torch.mul(x, x, out=squares)
        norm = _dots(chosen, squares).sqrt_()
        length = (norm > _EPS).float()  # of the unit token: a zero token stays zero
        norm.clamp_(min=_EPS)
        mean = torch.bmm((1 / (h * w * norm))[:, None], x).squeeze(1) * chosen
        dots = _dots(mean, x) / norm
        to_frame[start:stop] = _kernels(length + mean.square().sum(-1, keepdim=True) - 2 * dots)
        norms[start:stop], means[start:stop], lengths[start:stop] = norm, mean, length
    centre = means.mean(dim=0)
    to_video = torch.empty_like(norms)
    for start, stop, x in float_chunks(embeds):
        to_video[start:stop] = _dots(centre, x) / norms[start:stop]
    return _kernels(lengths + centre.square().sum() - 2 * to_video), to_frame


def steady_channels(embeds: Tensor) -> Tensor:
    """Return 1 for the `int(D / 2)` channels of lowest variance, else 0: [D] float32."""
    variance = channel_variance(embeds)
    order = variance.argsort(stable=True)
    chosen = variance.new_zeros(len(variance)).float()
    chosen[order[: len(variance) // 2]] = 1
    return chosen


def channel_variance(embeds: Tensor) -> Tensor:
    """Return the population variance of each channel of `embeds [T, h, w, D]`: [D] float64.

    Squares are summed around the mean of the first frames, so that nothing cancels where a channel
    lies far from 0.
    """
    import torch

    from evscli.pruners.ops.frames import float_chunks

    t, h, w, width = embeds.shape
    total = torch.zeros(width, dtype=torch.float64, device=embeds.device)
    squares = torch.zeros_like(total)
    pivot = None
    buffer = torch.empty(0, dtype=torch.float32, device=embeds.device)
    for _, _, x in float_chunks(embeds):
        pivot = _sum(x) / (len(x) * h * w) if pivot is None else pivot
        buffer = buffer if buffer.shape == x.shape else torch.empty_like(x)
        torch.sub(x, pivot, out=buffer)
        total += _sum(buffer)
        squares += _sum(buffer.square_())
    count = t * h * w
    return squares / count - (total / count).square()


def _dots(direction: Tensor, x: Tensor) -> Tensor:
    """Return [f, N] products of x [f, N, D] with [D] or [f, D]; batched they run much faster here.

    The other forms of this product, and sums by reduction, run on one thread or strided.
    """
    rows = direction.expand(len(x), -1)[:, None]
    return rows.bmm(x.transpose(1, 2)).squeeze(1)


def _sum(x: Tensor) -> Tensor:
    """Sum x [f, N, D] to [D]."""
    return x.new_ones(len(x), 1, x.shape[1]).bmm(x).sum(dim=(0, 1))


def _kernels(squared_distance: Tensor) -> Tensor:
    likeness = squared_distance.new_zeros(squared_distance.shape)
    for width in _WIDTHS:
        likeness += (squared_distance / (-2 * width)).exp()
    return likeness
