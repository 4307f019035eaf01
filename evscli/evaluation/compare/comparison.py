"""Selections on many videos: means of all measurements, and the overlaps of masks.

A failing video is recorded and the rest go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from evscli.corpus.tasks import failure_of
from evscli.errors import VideoError
from evscli.evaluation.compare.measure import Bench, Measured, measure
from evscli.evaluation.metrics.events import known_events
from evscli.evaluation.setup import setup_of
from evscli.pruners import PruneRequest
from evscli.records import Failure, VideoInput


@dataclass(frozen=True, kw_only=True)
class Row:
    """The means of one selection over all videos. A number that no video has is None."""

    name: str
    """The method, the options that are not its defaults, and where it prunes."""
    budget: str
    """The budget as it was asked for."""
    videos: int
    tokens: int
    kept: int
    seconds: float
    """The time of choosing in seconds, a mean over videos."""
    k_center_radius: float
    facility_location: float
    projection_residual: float
    budget_entropy: float
    event_token_recall: float | None
    event_recall: float | None
    kl: float | None
    """The KL divergence of the next token from the unpruned one, in nats."""
    same_token: float | None
    """The share of videos whose likeliest next token stays the same."""
    inside_overlap: float | None
    inside_cosine: float | None

    @property
    def share(self) -> float:
        """The fraction of all tokens that is kept."""
        return self.kept / self.tokens


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """The measurements of selections on videos, and the videos that failed."""

    requests: Sequence[PruneRequest]
    measured: Sequence[Sequence[Measured]]
    """The measurements, [videos][selections]."""
    failures: Sequence[Failure]
    setup: Mapping[str, Any]
    """The settings of the measurement, as JSON values."""

    @cached_property
    def rows(self) -> list[Row]:
        """Return a row for every selection."""
        return list(map(row_of, self.requests, zip(*self.measured, strict=True)))

    @cached_property
    def overlaps(self) -> list[list[float]]:
        """Return the intersection over union of every two selections, averaged over videos."""
        groups = list(zip(*self.measured, strict=True))
        return [[fmean(map(overlap, one, other)) for other in groups] for one in groups]

    def as_json(self) -> dict[str, Any]:
        """Return the whole comparison as JSON values, numbers not rounded."""
        return {
            **self.setup,
            "selections": [asdict(row) for row in self.rows],
            "overlaps": self.overlaps,
            "videos": [
                {
                    "id": video[0].video,
                    "grid_thw": list(video[0].mask.shape),
                    "selections": [{"kept": one.kept, **numbers_of(one)} for one in video],
                }
                for video in self.measured
            ],
            "failures": [asdict(failure) for failure in self.failures],
        }


def compare(
    videos: Sequence[VideoInput], bench: Bench, *, advance: Callable[[int], None]
) -> Comparison:
    """Measure every selection of `bench` on every video. `advance` is called after each video.

    Raises UsageError for a malformed `truth.json`, before any work.
    """
    for video in videos:
        known_events(video.path)
    measured: list[list[Measured]] = []
    failures: list[Failure] = []
    for video in videos:
        try:
            measured.append(measure(video, bench))
        except VideoError as error:
            failures.append(failure_of(video, error))
        advance(1)
    asked = {} if bench.language is None else {"question": bench.question}
    return Comparison(
        requests=bench.requests,
        measured=measured,
        failures=failures,
        setup=setup_of(bench.encoder, seed=bench.seed, **asked),
    )


def row_of(request: PruneRequest, group: Sequence[Measured]) -> Row:
    """Return the means over the videos of one selection."""
    numbers = [numbers_of(one) for one in group]
    means = {name: mean([each[name] for each in numbers]) for name in numbers[0]}
    return Row(
        name=request.name,
        budget=str(request.budget),
        videos=len(group),
        tokens=sum(one.mask.numel() for one in group),
        kept=sum(one.kept for one in group),
        **means,
    )


def numbers_of(one: Measured) -> dict[str, Any]:
    """Return every number that has a mean, by the names of `Row`."""
    agreement, inside = one.agreement, one.inside
    return {
        "seconds": one.seconds,
        **asdict(one.diagnostics),
        "kl": agreement and agreement.kl,
        "same_token": agreement and float(agreement.same_token),
        "inside_overlap": inside and inside.overlap,
        "inside_cosine": inside and inside.cosine,
    }


def mean(values: Sequence[float | None]) -> Any:
    """Return the mean of the values that are not None, or None without any."""
    there = [value for value in values if value is not None]
    return fmean(there) if there else None


def overlap(first: Measured, second: Measured) -> float:
    """Return the intersection over union of two masks of one video."""
    union = torch.count_nonzero(first.mask | second.mask)
    both: Tensor = torch.count_nonzero(first.mask & second.mask)
    return float(both / union) if union else 1.0
