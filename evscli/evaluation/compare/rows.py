"""Means over videos of everything that was measured, and how far masks overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from evscli.evaluation.compare.measure import Measured
from evscli.pruners import PruneRequest


@dataclass(frozen=True, kw_only=True)
class Row:
    """One selection over all videos. A number that no video has is None."""

    name: str
    """The method, the options that are not its defaults, and where it prunes."""
    budget: str
    """As it was asked for."""
    videos: int
    tokens: int
    kept: int
    seconds: float
    """Of choosing, the mean of a video."""
    k_center_radius: float
    facility_location: float
    projection_residual: float
    budget_entropy: float
    event_token_recall: float | None
    event_recall: float | None
    kl: float | None
    """Of the next token from the unpruned one, in nats."""
    same_token: float | None
    """Share of videos whose likeliest next token stays the same."""
    inside_overlap: float | None
    inside_cosine: float | None

    @property
    def share(self) -> float:
        """Fraction of all tokens that was kept."""
        return self.kept / self.tokens


def rows_of(measured: Sequence[Sequence[Measured]], requests: Sequence[PruneRequest]) -> list[Row]:
    """A row for every selection, of `measured` [videos][selections]."""
    return [
        row_of(request, group)
        for request, group in zip(requests, zip(*measured, strict=True), strict=True)
    ]


def row_of(request: PruneRequest, group: Sequence[Measured]) -> Row:
    """Means over the videos of one selection."""
    numbers = [numbers_of(one) for one in group]
    means = {name: mean([each[name] for each in numbers]) for name in numbers[0]}
    return Row(
        name=name_of(request),
        budget=str(request.budget),
        videos=len(group),
        tokens=sum(one.mask.numel() for one in group),
        kept=sum(int(torch.count_nonzero(one.mask)) for one in group),
        **means,
    )


def numbers_of(one: Measured) -> dict[str, Any]:
    """Everything with a mean, by the names of `Row`."""
    said, inside = one.agreement, one.inside
    return {
        "seconds": one.seconds,
        **asdict(one.diagnostics),
        "kl": said and said.kl,
        "same_token": said and float(said.same_token),
        "inside_overlap": inside and inside.overlap,
        "inside_cosine": inside and inside.cosine,
    }


def mean(values: Sequence[float | None]) -> Any:
    """The mean of what is there; None where nothing is."""
    there = [value for value in values if value is not None]
    return fmean(there) if there else None


def name_of(request: PruneRequest) -> str:
    """A selection without its budget: the method, unusual options, where it prunes."""
    unusual = request.pruner.unusual(request.options)
    options = [f"{name}={value}" for name, value in unusual.items()]
    where = [] if request.prune_at is None else [f"after block {request.prune_at}"]
    return " ".join([request.pruner.name, *options, *where])


def overlaps(measured: Sequence[Sequence[Measured]]) -> list[list[float]]:
    """Intersection over union of the masks of every two selections, averaged over videos.

    `measured` is [videos][selections].
    """
    tables = [[[overlap(a.mask, b.mask) for b in video] for a in video] for video in measured]
    return [
        [fmean(cells) for cells in zip(*rows, strict=True)] for rows in zip(*tables, strict=True)
    ]


def overlap(first: Tensor, second: Tensor) -> float:
    """Intersection over union of two masks."""
    union = torch.count_nonzero(first | second)
    return float(torch.count_nonzero(first & second) / union) if union else 1.0
