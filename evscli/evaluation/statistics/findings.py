"""The findings of an evaluation from all of its answers: accuracies, and Spearman's correlations.

The budget alone makes most diagnostics of masks rise together over all selections, so the rank
correlation with the accuracy that is informative is the one among methods at one budget.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evscli.evaluation.selections import UNPRUNED
from evscli.evaluation.statistics.lines import series_names
from evscli.evaluation.statistics.results import (
    ALL,
    Answered,
    Budget,
    Evaluation,
    Numbers,
    Selected,
    TalliedSelection,
)
from evscli.evaluation.statistics.tallies import Tally, tally
from evscli.records import OptionValue

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class MeanNumbers(Selected):
    """The diagnostics of one selection, each its mean over the questions about all videos."""

    method: str
    options: Mapping[str, OptionValue]
    budget: Budget
    num_frames: int | None
    numbers: Numbers


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """The rank correlation of one diagnostic with the accuracy, over selections."""

    diagnostic: str
    kind: str
    """The kind of question, or all."""
    overall: float | None
    """Spearman's rho over all pruned selections, None where one of the two is constant."""
    within_budget: float | None
    """The mean of rho over budgets with at least three methods, None where there is none."""
    selections: int


def mean_numbers(
    tallies: Sequence[Tally],
    diagnostics: Mapping[TalliedSelection, Mapping[str, Numbers]],
    asked: Mapping[str, Mapping[str, int]],
) -> list[MeanNumbers]:
    """Return the mean diagnostics of every selection that has some, over all kinds of questions."""
    return [
        MeanNumbers(
            method=row.method,
            options=row.options,
            budget=row.budget,
            num_frames=row.num_frames,
            numbers={name: mean_of(rows, name, asked[ALL]) for name in names_of(rows)},
        )
        for row in tallies
        if row.kind == ALL and (rows := diagnostics.get(row.selection)) is not None
    ]


def correlations(
    tallies: Sequence[Tally],
    diagnostics: Mapping[TalliedSelection, Mapping[str, Numbers]],
    asked: Mapping[str, Mapping[str, int]],
) -> list[Correlation]:
    """Correlate the mean of every diagnostic with the accuracy, overall and by kind.

    `diagnostics` are by selection and video; `asked` counts the questions by kind and video. A mean
    weighs a video by its questions, as the accuracy does.
    """
    kinds = dict.fromkeys(tally.kind for tally in tallies)
    found = []
    for name in dict.fromkeys(name for rows in diagnostics.values() for name in names_of(rows)):
        for kind in kinds:
            points = [
                Point(tally=tally, value=value)
                for tally in tallies
                if tally.kind == kind and tally.method != UNPRUNED
                if (rows := diagnostics.get(tally.selection)) is not None
                if (value := mean_of(rows, name, asked[kind])) is not None
            ]
            found.append(correlate(name, kind, points))
    return sorted(found, key=lambda c: (c.kind != ALL, c.kind))


def names_of(rows: Mapping[str, Numbers]) -> dict[str, None]:
    """Return the names of the diagnostics of some videos, in order."""
    return dict.fromkeys(name for numbers in rows.values() for name in numbers)


@dataclass(frozen=True, kw_only=True)
class Point:
    """One pruned selection: its answers, and the mean of a diagnostic."""

    tally: Tally
    value: float


def questions_by_kind(answered: Sequence[Answered]) -> dict[str, Counter[str]]:
    """Count the questions of each kind, and of all, that every video was asked."""
    first = answered[0].selection if answered else None
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for answer in answered:
        if answer.selection == first:
            for kind in (ALL, answer.kind):
                counts[kind][answer.video] += 1
    return counts


def mean_of(rows: Mapping[str, Numbers], name: str, weights: Mapping[str, int]) -> float | None:
    """Return the weighted mean of a number over the videos that have it."""
    values = {video: value for video in weights if (value := rows[video][name]) is not None}
    if not values:
        return None
    total = sum(weights[video] for video in values)
    return sum(weights[video] * value for video, value in values.items()) / total


def correlate(diagnostic: str, kind: str, points: Sequence[Point]) -> Correlation:
    """Correlate all points, and those within each budget that kept about what it asks for."""
    inside = []
    for budget in dict.fromkeys(point.tally.budget for point in points):
        own = [p for p in points if p.tally.budget == budget if p.tally.kept_as_asked]
        if len(own) >= 3 and (rho := spearman_of(own)) is not None:
            inside.append(rho)
    return Correlation(
        diagnostic=diagnostic,
        kind=kind,
        overall=spearman_of(points),
        within_budget=float(np.mean(inside)) if inside else None,
        selections=len(points),
    )


def spearman_of(points: Sequence[Point]) -> float | None:
    """Return Spearman's rho of diagnostic and accuracy, None where one of the two is constant."""
    pairs = np.array([(point.value, point.tally.accuracy) for point in points]).reshape(-1, 2)
    return spearman(pairs[:, 0], pairs[:, 1])


def spearman(one: Floats, other: Floats) -> float | None:
    """Return Pearson's correlation of the ranks, None where one side is constant."""
    a, b = ranks(one), ranks(other)
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def ranks(values: Floats) -> Floats:
    """Return ranks from 0, equal values sharing their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    shared: Floats = (ends - counts + ends - 1)[inverse] / 2
    return shared


@dataclass(frozen=True, kw_only=True, eq=False)
class Findings:
    """Accuracies, and the baselines, diagnostics and correlations that were requested."""

    tallies: Sequence[Tally]
    baselines: Sequence[Tally] = ()
    """The tallies of reduced views, whose names stand in place of methods."""
    diagnostics: Sequence[MeanNumbers] = ()
    correlations: Sequence[Correlation] = ()

    @classmethod
    def of(cls, evaluation: Evaluation) -> Findings:
        """Count the answers."""
        tallies, asked = tally(evaluation.answered), questions_by_kind(evaluation.answered)
        return cls(
            tallies=tallies,
            baselines=tally(evaluation.baselines),
            diagnostics=mean_numbers(tallies, evaluation.diagnostics, asked),
            correlations=correlations(tallies, evaluation.diagnostics, asked),
        )

    @property
    def notes(self) -> list[str]:
        """Return remarks for a fair comparison: the methods that kept more or less than asked."""
        names = series_names(self.tallies)
        return [
            f"{names[row.series]} at budget {row.named_budget} kept {row.kept_fraction:.1%} of the "
            "tokens by its own rule: no difference to random is given"
            for row in self.tallies
            if row.kind == ALL and not row.kept_as_asked
        ]
