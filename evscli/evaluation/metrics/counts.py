"""What a mask alone tells: how evenly it spends its budget on frames, which events survive it.

Needs no tokens. An event is the mask of the cells it touches; what happens there is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import torch
from torch import Tensor

from evscli.evaluation.metrics.rows import check_mask


def budget_entropy(mask: Tensor) -> float:
    """`-sum_t p_t log p_t / log T`, p_t the share of the kept tokens that lies in frame t.

    Divided by log T, the most it could be, it is 0..1 for every T: 1 where all frames of
    `mask [T, h, w] bool` keep the same number, 0 where one keeps all. A single frame has 1, for
    it is even in the only way there is; a mask that keeps nothing has 0.
    """
    counts = mask.flatten(1).sum(dim=1).double()
    if not counts.any():
        return 0.0
    if len(counts) == 1:
        return 1.0
    entropy = torch.special.entr(counts / counts.sum()).sum()
    return min(float(entropy) / log(len(counts)), 1.0)


def event_survival(mask: Tensor, events: Sequence[Tensor]) -> list[float]:
    """The share of each event's cells that `mask` keeps, 0..1.

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
