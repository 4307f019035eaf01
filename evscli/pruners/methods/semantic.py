"""Relevance and motion of frames and tokens, and the choice within frames, as SemVID has them.

Frames are worked on side by side: the steps of a choice are a loop, the frames are not. Nothing
here waits for a device but the length of that loop.
"""

from __future__ import annotations

import torch
from torch import Tensor

from evscli.pruners.ops.frames import float_chunks, span_length
from evscli.pruners.ops.greedy import unit_tokens

_PAIRS = 1 << 26  # of tokens of a frame compared at once; more frames wait for the next round


def motion(embeds: Tensor) -> tuple[Tensor, Tensor]:
    """How far each unit token of `embeds [T, h, w, D]` moves: to the frame before, and around it.

    Both [T, h*w] float32: `||u[t] - u[t-1]||`, 0 in frame 0; and its mean with the step that
    follows, where there are both.
    """
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
    """Share of the budget of each frame [T], summing to 1, of relevance and motion [T, N].

    `0.7 relu(rel) + 0.3 motion`, rel being the mean of a frame's two largest relevances; even
    where all of it is 0.
    """
    relevance = near.topk(min(2, near.shape[1]), dim=1).values.mean(dim=1)
    weights = 0.7 * relevance.relu() + 0.3 * moved.mean(dim=1)
    total = weights.sum()
    even = torch.full_like(weights, 1 / len(weights))
    return torch.where(total > 0, weights / total.clamp(min=1e-12), even)


def choose(
    embeds: Tensor, near: Tensor, moved: Tensor, budgets: Tensor, *, relevant: float
) -> Tensor:
    """Mask [T, N] of `budgets[t]` tokens of each frame of `embeds [T, h, w, D]`.

    The token nearest to the frame's mean; then a share `relevant` of the rest by relevance `near`
    against likeness to what is chosen; then by motion `moved` (both [T, N]).
    """
    t, h, w, _ = embeds.shape
    masks = []
    frames = min(max(1, _PAIRS // (h * w) ** 2), span_length(embeds))
    for start in range(0, t, frames):
        part = slice(start, start + frames)
        unit = unit_tokens(embeds[part]).view(-1, h * w, embeds.shape[-1])
        by_question = ((budgets[part] - 1) * relevant + 0.5).floor().long()
        mask = _nearest_to_mean(unit)
        _add_relevant(mask, unit, near[part], by_question)
        order = (
            moved[part].masked_fill(mask, torch.inf).argsort(dim=1, descending=True, stable=True)
        )
        rank = torch.arange(h * w, device=embeds.device)
        mask.scatter_(1, order, rank < budgets[part, None])
        masks.append(mask)
    return torch.cat(masks)


def _nearest_to_mean(unit: Tensor) -> Tensor:
    """Mask [f, N] of the one token of each frame of `unit [f, N, D]` most like its mean."""
    likeness = torch.bmm(unit, unit.mean(dim=1)[..., None])[..., 0]
    mask = torch.zeros_like(likeness, dtype=torch.bool)
    return mask.scatter_(1, likeness.argmax(dim=1, keepdim=True), True)


def _add_relevant(mask: Tensor, unit: Tensor, near: Tensor, counts: Tensor) -> None:
    """Add `counts[f]` tokens to each row of `mask [f, N]` by maximal marginal relevance."""
    cosine = torch.bmm(unit, unit.transpose(1, 2))
    alike = cosine.masked_fill(~mask[:, None], -torch.inf).amax(dim=2)
    for step in range(int(counts.max())):
        gain = (0.9 * near - 0.1 * alike).masked_fill(mask, -torch.inf)
        chosen = gain.argmax(dim=1, keepdim=True)
        wanted = (step < counts)[:, None]
        mask.scatter_(1, chosen, wanted | mask.gather(1, chosen))
        row = cosine.gather(1, chosen[..., None].expand(-1, -1, cosine.shape[2]))[:, 0]
        alike = torch.where(wanted, torch.maximum(alike, row), alike)
