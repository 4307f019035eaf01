"""Query-aware selection in the style of SemVID: frames by relevance and motion, then tokens.

A frame's budget follows how near its tokens are to the question and how much it moves. In each
frame a prototype is kept, then tokens near the question that are unlike each other, then tokens
that move. The authors' cut of a video into segments is left out. Frames are computed side by side:
only the steps of a choice are a loop.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from evscli.budget import round_count
from evscli.pruners.method import Pruner
from evscli.records import KeptTokens, PruneInputs, VideoTokens

if TYPE_CHECKING:
    from torch import Tensor

_RELEVANT = 0.6
"""The share of a frame's tokens, beside its prototype, that are chosen for the question."""
_PAIRS = 1 << 26  # of tokens of a frame compared at once; more frames wait for the next round


def semvid(tokens: VideoTokens, inputs: PruneInputs, budget: float) -> KeptTokens:
    """Keep tokens near `inputs.query` and tokens that move, at least one of every frame."""
    from evscli.pruners.ops.allocation import frame_budgets
    from evscli.pruners.ops.cosines import relevance, unit_query

    t, h, w = tokens.grid_thw
    count = expected_count(t, h * w, budget)
    near = relevance(tokens.embeds, unit_query(inputs, tokens.embeds))
    before, around = motion(tokens.embeds)
    budgets = frame_budgets(
        frame_weights(near, before), cells=h * w, total=count, min_k=1, largest_remainder=True
    )
    mask = choose(tokens.embeds, near, around, budgets)
    return KeptTokens(
        mask=mask.view(t, h, w),
        scores=near.view(t, h, w),
        expected=count,
        notes=_least_note(t, h * w, budget),
    )


def expected_count(frames: int, cells: int, budget: float) -> int:
    """Count the tokens kept of `frames` temporal patches of `cells`: at least one of each frame."""
    return max(frames, round_count(frames * cells, budget))


PRUNER = Pruner(
    name="semvid",
    summary="keeps tokens near the question, and tokens that move",
    paper="in the style of SemVID (public code)",
    order=8,
    function=semvid,
    expected_count=expected_count,
    needs=frozenset({"query"}),
)


def motion(embeds: Tensor) -> tuple[Tensor, Tensor]:
    """Return two motions of each unit token of `embeds [T, h, w, D]`: one step, and a mean of two.

    Both are [T, h*w] float32: `||u[t] - u[t-1]||`, 0 in frame 0; and its mean with the step that
    follows, where there are both.
    """
    import torch

    from evscli.pruners.ops.cosines import unit_tokens
    from evscli.pruners.ops.frames import float_chunks

    t, h, w, _ = embeds.shape
    before = torch.zeros((t, h * w), dtype=torch.float32, device=embeds.device)
    for _, stop, x in float_chunks(embeds, overlap=1):
        unit = unit_tokens(x).view_as(x)
        first = stop - len(x)
        before[first + 1 : stop] = torch.linalg.vector_norm(unit[1:] - unit[:-1], dim=-1)
    after = torch.cat([before[1:], before[-1:]])
    around = (before + after) / 2
    around[:1], around[-1:] = after[:1], before[-1:]
    return before, around


def frame_weights(near: Tensor, moved: Tensor) -> Tensor:
    """Return the share of the budget of each frame [T], from relevance and motion [T, N].

    It is `0.7 relu(rel) + 0.3 motion`, scaled to sum to 1, where rel is the mean of a frame's two
    largest relevances. It is even where all of it is 0.
    """
    relevance = near.topk(min(2, near.shape[1]), dim=1).values.mean(dim=1)
    weights = 0.7 * relevance.relu() + 0.3 * moved.mean(dim=1)
    total = weights.sum()
    return (weights / total.clamp(min=1e-12)).where(total > 0, 1 / len(weights))


def choose(embeds: Tensor, near: Tensor, moved: Tensor, budgets: Tensor) -> Tensor:
    """Return the mask [T, N] of `budgets[t]` tokens of each frame of `embeds [T, h, w, D]`.

    The first is the token nearest to the frame's mean, then a share of the rest is chosen by
    relevance `near` against likeness to those chosen, then by motion `moved` (both [T, N]).
    """
    import torch

    from evscli.pruners.ops.cosines import unit_tokens
    from evscli.pruners.ops.frames import span_length

    t, h, w, _ = embeds.shape
    masks = []
    frames = min(max(1, _PAIRS // (h * w) ** 2), span_length(embeds))
    for start in range(0, t, frames):
        part = slice(start, start + frames)
        unit = unit_tokens(embeds[part]).view(-1, h * w, embeds.shape[-1])
        by_question = ((budgets[part] - 1) * _RELEVANT + 0.5).floor().long()
        mask = _nearest_to_mean(unit)
        _add_relevant(mask, unit, near[part], by_question)
        moving = moved[part].masked_fill(mask, inf)
        order = moving.argsort(dim=1, descending=True, stable=True)
        rank = torch.arange(h * w, device=embeds.device)
        mask.scatter_(1, order, rank < budgets[part, None])
        masks.append(mask)
    return torch.cat(masks)


def _nearest_to_mean(unit: Tensor) -> Tensor:
    """Return the mask [f, N] of the token of each frame of `unit [f, N, D]` most like its mean."""
    likeness = unit.bmm(unit.mean(dim=1)[..., None])[..., 0]
    mask = likeness.new_zeros(likeness.shape).bool()
    return mask.scatter_(1, likeness.argmax(dim=1, keepdim=True), True)


def _add_relevant(mask: Tensor, unit: Tensor, near: Tensor, counts: Tensor) -> None:
    """Add `counts[f]` tokens to each row of `mask [f, N]` by maximal marginal relevance."""
    cosine = unit.bmm(unit.transpose(1, 2))
    alike = cosine.masked_fill(~mask[:, None], -inf).amax(dim=2)
    for step in range(int(counts.max())):
        gain = (0.9 * near - 0.1 * alike).masked_fill(mask, -inf)
        chosen = gain.argmax(dim=1, keepdim=True)
        wanted = (step < counts)[:, None]
        mask.scatter_(1, chosen, wanted | mask.gather(1, chosen))
        row = cosine.gather(1, chosen[..., None].expand(-1, -1, cosine.shape[2]))[:, 0]
        alike = alike.maximum(row).where(wanted, alike)


def _least_note(frames: int, cells: int, budget: float) -> tuple[str, ...]:
    asked = round_count(frames * cells, budget)
    if frames <= asked:
        return ()
    return (
        f"semvid keeps a token of every frame, so {frames} are kept where a budget of {budget:g} "
        f"asks for {asked}; sample fewer frames to keep less.",
    )
