"""Do diagnostics of a mask go with the accuracy of answers? Spearman's rank correlation.

Over all selections the budget alone makes most numbers rise together, so what tells something is
the correlation among methods at one budget.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evscli.learn.evaluation.results import ALL, Selection, Tally

Numbers = Mapping[str, float | None]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """How one diagnostic ranks selections against how their accuracy does."""

    diagnostic: str
    kind: str
    """Of question, or all."""
    overall: float | None
    """Spearman's rho over all pruned selections; None where one of the two is constant."""
    within_budget: float | None
    """Its mean over budgets with at least three methods; None where there is none."""
    selections: int


def correlations(
    tallies: Sequence[Tally], diagnostics: Mapping[Selection, Sequence[Numbers]]
) -> list[Correlation]:
    """Correlate the mean of every diagnostic with the accuracy, overall and by kind."""
    means = {selection: mean_of(rows) for selection, rows in diagnostics.items()}
    kinds = dict.fromkeys(tally.kind for tally in tallies)
    found = []
    for name in next(iter(means.values()), {}):
        for kind in kinds:
            points = [
                (tally.budget, means[key][name], tally.accuracy)
                for tally in tallies
                if tally.kind == kind and tally.method != "none"
                if (key := selection_of(tally)) in means and means[key][name] is not None
            ]
            found.append(correlate(name, kind, np.array(points, np.float64).reshape(-1, 3)))
    return sorted(found, key=lambda c: (c.kind != ALL, c.kind))


def mean_of(rows: Sequence[Numbers]) -> dict[str, float | None]:
    """The mean of each number over the videos that have it."""
    means: dict[str, float | None] = {}
    for name in rows[0]:
        values = [value for row in rows if (value := row[name]) is not None]
        means[name] = float(np.mean(values)) if values else None
    return means


def selection_of(tally: Tally) -> Selection:
    """What a tally counts, as `Answered.selection` says it."""
    return tally.method, tuple(sorted(tally.options.items())), tally.budget


def correlate(diagnostic: str, kind: str, points: Floats) -> Correlation:
    """`points` [n, 3] are (budget, diagnostic, accuracy)."""
    inside = []
    for budget in np.unique(points[:, 0]):
        own = points[points[:, 0] == budget]
        if len(own) >= 3 and (rho := spearman(own[:, 1], own[:, 2])) is not None:
            inside.append(rho)
    return Correlation(
        diagnostic=diagnostic,
        kind=kind,
        overall=spearman(points[:, 1], points[:, 2]),
        within_budget=float(np.mean(inside)) if inside else None,
        selections=len(points),
    )


def spearman(one: Floats, other: Floats) -> float | None:
    """Pearson's correlation of the ranks, equal values sharing their mean rank."""
    a, b = ranks(one), ranks(other)
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def ranks(values: Floats) -> Floats:
    """Ranks from 0, equal values sharing their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    shared: Floats = (ends - counts + ends - 1)[inverse] / 2
    return shared
