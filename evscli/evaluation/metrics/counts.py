"""Numbers from a mask alone: the spread of its budget over frames, the survival of events.

An event is given as the mask of the cells that it touches.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import torch
from torch import Tensor

from evscli.evaluation.metrics.rows import check_mask


def budget_entropy(mask: Tensor) -> float:
    """Return `-sum_t p_t log p_t / log T`, p_t the share of the kept tokens that is in frame t.

    The division by log T brings it to 0..1 for every T: 1 where all frames of `mask [T, h, w] bool`
    keep the same number, 0 where one keeps all. It is 1 for a single frame, and 0 for a mask that
    keeps nothing.
    """
    counts = mask.flatten(1).sum(dim=1).double()
    if not counts.any():
        return 0.0
    if len(counts) == 1:
        return 1.0
    entropy = torch.special.entr(counts / counts.sum()).sum()
    return min(float(entropy) / log(len(counts)), 1.0)


def event_survival(mask: Tensor, events: Sequence[Tensor]) -> list[float]:
    """Return the share of each event's cells that `mask` keeps, 0..1.

    Mask and events are [T, h, w] bool; raises ValueError where an event is of another grid or
    dtype. An event without a cell is left out: it was lost when frames were sampled, and no mask
    could have kept it.
    """
    for event in events:
        check_mask(event, tuple(mask.shape))
    if not events:
        return []
    touched = torch.stack([event.to(mask.device) for event in events]).flatten(1)
    cells, kept = touched.sum(dim=1).double(), (touched & mask.flatten()).sum(dim=1)
    shares: list[float] = (kept / cells)[cells > 0].tolist()
    return shares
