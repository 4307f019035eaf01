"""The heuristics of STTS's code (arXiv 2603.18004): windows that are new, without a scorer.

The likeness of a window is its cosine to another at the same place, over all of its patches. A
frame whose windows are new on the mean is not pruned, unless too few windows can go otherwise.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from evscli.pruners.ops.ranking import keep_highest

STEP, TRIES = 0.05, 5
"""The steps in which the threshold is lowered where too many frames are new, and the trials."""

NEW = 1.0
"""The score of windows that are not to be dropped. Others have minus their likeness, at most 1."""


def keep_new(
    states: Tensor, count: int, *, threshold: float, moving: bool
) -> tuple[Tensor, Tensor]:
    """Return the mask of `count` windows and all scores, [T, h, w], of states [T, h, w, p, C].

    Each window is compared with the one of the frame before (`moving`), or with the last one at its
    place that was new: the reference, which is replaced where the likeness is below the threshold,
    and in all places where the frame's mean is. Windows of such frames, and frame 0, are the last
    to be dropped. Where some of them are, the threshold is lowered and all begins again, as the
    authors do; nothing waits for the device.
    """
    trials = [threshold - STEP * number for number in range(TRIES)]
    trials = [trials[0], *(one for one in trials[1:] if one >= 0)]
    likeness, new = likenesses(states, torch.tensor(trials).to(states.device), moving=moving)
    scores = (-likeness).masked_fill(new[:, :, None, None], NEW)
    scores[:, 0] = 2 * NEW
    masks = torch.stack([keep_highest(some, count) for some in scores])
    enough = ~((scores >= NEW) & ~masks).flatten(1).any(dim=1)
    enough[-1] = True
    # A number as index would be read from the device.
    chosen = enough.long().argmax(dim=0, keepdim=True)
    return masks.index_select(0, chosen)[0], scores.index_select(0, chosen)[0]


def likenesses(states: Tensor, thresholds: Tensor, *, moving: bool) -> tuple[Tensor, Tensor]:
    """Return likenesses [k, T, h, w] to the windows compared with, and the new frames [k, T].

    There is one trial for each of `thresholds` [k]. Frame 0 has a likeness of 1 and counts as new.
    """
    t, h, w = states.shape[:3]
    trials = len(thresholds)
    likeness = states.new_ones((trials, t, h, w), dtype=torch.float32)
    limits = thresholds[:, None, None]
    reference = unit(states[0]).expand(trials, -1, -1, -1)
    for frame in range(1, t):
        current = unit(states[frame])
        alike = (current * reference).sum(dim=-1)
        likeness[:, frame] = alike
        if moving:
            reference = current.expand(trials, -1, -1, -1)
        else:
            replaced = (alike < limits) | (alike.mean(dim=(1, 2), keepdim=True) < limits)
            reference = torch.where(replaced[..., None], current, reference)
    new = likeness.mean(dim=(2, 3)) < thresholds[:, None]
    new[:, 0] = True
    return likeness, new


def unit(windows: Tensor) -> Tensor:
    """Return windows [h, w, p, C] as vectors [h, w, p * C] of length 1, or 0, in float32."""
    return normalize(windows.flatten(-2).float(), dim=-1)
