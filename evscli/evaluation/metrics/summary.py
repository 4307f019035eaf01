"""All diagnostics of one mask in one record, and those that need the mask alone.

An event is given as the mask of the cells that it touches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from statistics import fmean

import torch
from torch import Tensor

from evscli.evaluation.metrics.coverage import mean_of, nearest_cosine, radius_of
from evscli.evaluation.metrics.rows import check_mask
from evscli.evaluation.metrics.span import projection_residual
from evscli.records import VideoTokens


@dataclass(frozen=True, kw_only=True)
class Diagnostics:
    """The diagnostics of a mask. Their formulas are at the functions of the same names."""

    k_center_radius: float
    """The k-center radius, 0..2: 0 where every token points where a kept one does."""
    facility_location: float
    """The facility location, -1..1: 1 where every token points where a kept one does."""
    projection_residual: float
    """The share of the tokens outside the span of the kept ones, 0..1."""
    budget_entropy: float
    """The entropy of the frames' shares, 0..1: 1 where every frame keeps the same number."""
    event_token_recall: float | None
    """The share of an event's tokens that survive, 0..1, averaged over events. None without any."""
    event_recall: float | None
    """The share of events of which at least one token survives, 0..1. None without any."""


def diagnose(tokens: VideoTokens, mask: Tensor, *, events: Sequence[Tensor] = ()) -> Diagnostics:
    """Compute all diagnostics of `mask [T, h, w] bool` on `tokens`.

    `events` are masks [T, h, w] bool of the cells that each event touches, as `event_cells` makes
    them; one without a cell does not count (`event_survival`). Raises UsageError where there are
    no tokens or their values are not finite, and ValueError for masks of another grid or dtype.
    """
    nearest = nearest_cosine(tokens, mask)
    shares = event_survival(mask, events)
    return Diagnostics(
        k_center_radius=radius_of(nearest),
        facility_location=mean_of(nearest),
        projection_residual=projection_residual(tokens, mask),
        budget_entropy=budget_entropy(mask),
        event_token_recall=fmean(shares) if shares else None,
        event_recall=fmean(share > 0 for share in shares) if shares else None,
    )


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
