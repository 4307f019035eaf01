"""One pass through a vision tower that a scorer prunes, differentiable, whatever the family.

The tokens are those of `--method stts`: the same blocks run on the same windows. Gradient reaches
the scorer through the auxiliary loss, and from the tokens through the bias of attention. The choice
of windows is hard and passes none on (arXiv 2603.18004).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, mse_loss

from evscli.encoders.tower import patches_of, run_from, run_packed
from evscli.models.contract import Tower
from evscli.models.parts.packing import pack, refilled
from evscli.pruners.methods.stts import attention_bias, keep_windows

AUXILIARY = 0.5
"""The published weight inside the auxiliary loss."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
    """A video after the first blocks of a tower, with the scores of its windows."""

    states: dict[int, Tensor]
    """Outputs [T, S, C] by block: those that are read, and the last one that was run."""
    scores: Tensor
    """[T, h, w] scores in 0..1."""
    auxiliary: Tensor
    """The auxiliary loss."""


@dataclass(frozen=True, kw_only=True, eq=False)
class KeptWindows:
    """The tokens of the windows that were kept."""

    mask: Tensor
    """[T, h, w] bool."""
    embeds: Tensor
    """[K, D]."""
    planes: Tensor | None
    """[L, K, D] DeepStack planes, for families that have them."""


def score(
    tower: Tower, patches: Tensor, scorer: Callable[[Tensor], Tensor], *, after: int, frozen: bool
) -> Scored:
    """Run patches [T, S, P] through the blocks up to and with `after`, and score the windows.

    With `frozen` no gradient reaches the tower's own first blocks.
    """
    with torch.no_grad() if frozen else nullcontext():
        states, last = run_from(tower, tower.embed(patches), start=0, stop=after + 1)
    states[after] = last
    h, w = tower.cells
    windows = last[:, tower.window_patches].view(len(last), h, w, -1, last.shape[-1])
    scores = scorer(windows)
    return Scored(states=states, scores=scores, auxiliary=auxiliary_loss(scores, windows))


def auxiliary_loss(scores: Tensor, windows: Tensor) -> Tensor:
    """Return the published auxiliary loss of scores [T, h, w] of windows [T, h, w, p, C].

    It is `0.5 * mean (s - (1 - cos))^2` over all windows but those of the first frame, where `cos`
    is that of a window's patches and those of the frame before; 0 for a single frame.
    """
    if len(scores) == 1:
        return scores.sum() * 0
    flat = windows.flatten(-2).float()
    change = 1 - cosine_similarity(flat[1:], flat[:-1], dim=-1)
    return AUXILIARY * mse_loss(scores[1:], change)


def keep(tower: Tower, scored: Scored, count: int, *, refill: bool = True) -> KeptWindows:
    """Keep `count` windows, and run them through the rest of the tower."""
    mask = keep_windows(scored.scores.detach(), count)
    number = max(scored.states)
    bias = patches_of(tower, attention_bias(scored.scores))
    hidden = tower.block(number + 1, scored.states[number], bias)
    context = patches_of(tower, mask)
    packing = pack(refilled(context) if refill else context)
    states = {n: packing.take(s) for n, s in scored.states.items() if n in tower.read_after}
    states[number + 1] = packing.take(hidden)
    embeds, planes = run_packed(tower, states, packing, mask)
    return KeptWindows(mask=mask, embeds=embeds, planes=planes)
