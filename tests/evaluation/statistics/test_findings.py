from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evscli.evaluation.statistics.findings import (
    Findings,
    Numbers,
    correlations,
    questions_by_kind,
    ranks,
    spearman,
)
from evscli.evaluation.statistics.results import ALL, Answered, Evaluation, TalliedSelection
from evscli.evaluation.statistics.tallies import tally
from tests.evaluation.answers import answers

RIGHT = {"a": [True, False], "b": [True]}


def test_who_kept_more_than_was_asked_is_said() -> None:
    made = [
        *answers(RIGHT, method="none", budget=1.0),
        *(replace(answer, kept=30) for answer in answers(RIGHT, method="evs")),
        *answers(RIGHT, method="evs", budget=0.5),
        *answers(RIGHT, method="random"),
    ]
    (note,) = Findings.of(Evaluation(answered=tuple(made))).notes
    assert note.startswith("evs at budget 0.25 kept 30.0% of the tokens by its own rule")


def test_what_was_not_asked_for_is_empty() -> None:
    findings = Findings.of(Evaluation(answered=tuple(answers(RIGHT))))
    assert len(findings.tallies) == 1
    assert not findings.baselines
    assert not findings.correlations
    assert findings.notes == []


def test_ranks_of_equal_values_are_shared() -> None:
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [2.5, 0.0, 2.5, 1.0]


def test_spearman_sees_order_only() -> None:
    one = np.array([1.0, 2.0, 3.0, 4.0])
    assert spearman(one, np.exp(one)) == pytest.approx(1)
    assert spearman(one, -(one**3)) == pytest.approx(-1)
    # 1 - 6 sum d^2 / (n (n^2 - 1)) with ranks 0 1 2 3 against 1 0 3 2
    assert spearman(one, np.array([2.0, 1.0, 4.0, 3.0])) == pytest.approx(1 - 6 * 4 / 60)


@pytest.mark.parametrize("other", [[5.0, 5.0, 5.0], [1.0]])
def test_nothing_is_said_of_constants_and_single_points(other: list[float]) -> None:
    assert spearman(np.arange(len(other), dtype=float), np.array(other)) is None


def counted(right: dict[tuple[str, float], int], *, kept: float | None = None) -> list[Answered]:
    """One question about each of ten videos for every selection, so many of them right."""
    return [
        Answered(
            video=f"{number}",
            kind="question",
            method=method,
            options={},
            budget=budget,
            fraction=budget,
            correct=number < count,
            chance=0.5,
            kept=round(100 * (kept or budget)),
            total=100,
        )
        for (method, budget), count in right.items()
        for number in range(10)
    ]


def everywhere(
    numbers: dict[tuple[str, float], float | None],
) -> dict[TalliedSelection, dict[str, Numbers]]:
    """The same number x for all ten videos of a selection."""
    return {
        ((method, ()), budget): {f"{number}": {"x": value} for number in range(10)}
        for (method, budget), value in numbers.items()
    }


def correlated(answered: list[Answered], numbers: dict[tuple[str, float], float | None]):  # type: ignore[no-untyped-def]
    (row,) = correlations(tally(answered), everywhere(numbers), questions_by_kind(answered))
    return row


COUNTS = {("a", 0.1): 3, ("b", 0.1): 2, ("c", 0.1): 1}
COUNTS |= {("a", 0.5): 9, ("b", 0.5): 8, ("c", 0.5): 7, ("none", 1.0): 10}


def test_the_budget_is_told_apart_from_the_choice_of_tokens() -> None:
    # A number that rises with the budget and falls with accuracy at each budget.
    number = {"a": 0.0, "b": 0.1, "c": 0.2}
    row = correlated(counted(COUNTS), {(m, b): b + number.get(m, 9.0) for m, b in COUNTS})
    assert row.selections == 6
    assert row.overall > 0
    assert row.within_budget == pytest.approx(-1)


def test_what_kept_more_than_its_budget_is_not_compared_within_it() -> None:
    row = correlated(counted(COUNTS, kept=0.3), {key: float(n) for key, n in COUNTS.items()})
    assert row.overall == pytest.approx(1)
    assert row.within_budget is None


def test_too_few_methods_at_a_budget_say_nothing_within_it() -> None:
    right = {("a", 0.1): 3, ("b", 0.1): 2}
    row = correlated(counted(right), {key: float(n) for key, n in right.items()})
    assert row.within_budget is None
    assert row.overall == pytest.approx(1)


def test_a_number_that_no_video_has_is_none() -> None:
    right = {("a", 0.1): 3, ("b", 0.1): 2, ("c", 0.1): 5}
    row = correlated(counted(right), dict.fromkeys(right))
    assert (row.overall, row.selections) == (None, 0)


def test_a_kind_is_compared_over_the_videos_that_were_asked_it() -> None:
    """A number is the mean over the questions of the kind, as the accuracy is."""
    right = {("a", 0.1): 1, ("b", 0.1): 2, ("c", 0.1): 3}
    answered = [
        replace(answer, kind="early" if int(answer.video) < 5 else "late")
        for answer in counted(right)
    ]
    numbers = {
        ((method, ()), budget): {
            f"{video}": {"x": float(count if video < 5 else -9 * count)} for video in range(10)
        }
        for (method, budget), count in right.items()
    }
    asked = questions_by_kind(answered)
    assert asked[ALL].total() == 10
    assert set(asked["early"]) == set("01234")
    found = {row.kind: row for row in correlations(tally(answered), numbers, asked)}
    assert found["early"].overall == pytest.approx(1)
    assert found[ALL].overall == pytest.approx(-1)
    assert found["late"].overall is None  # none of them is right
