from __future__ import annotations

import numpy as np
import pytest

from evscli.learn.evaluation.correlation import correlations, ranks, spearman
from evscli.learn.evaluation.results import Answered, Tally, tally


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


def tallies(right: dict[tuple[str, float], int]) -> list[Tally]:
    """Ten questions for every selection, so many of them right."""
    return tally(
        [
            Answered(
                video=f"{number}",
                kind="question",
                method=method,
                options={},
                budget=budget,
                correct=number < count,
                chance=0.5,
                kept=1,
                total=2,
            )
            for (method, budget), count in right.items()
            for number in range(10)
        ]
    )


def test_the_budget_is_told_apart_from_the_choice_of_tokens() -> None:
    right = {("a", 0.1): 3, ("b", 0.1): 2, ("c", 0.1): 1}
    right |= {("a", 0.5): 9, ("b", 0.5): 8, ("c", 0.5): 7, ("none", 1.0): 10}
    # A number that rises with the budget and falls with accuracy at each budget.
    number = {"a": 0.0, "b": 0.1, "c": 0.2}
    found = correlations(
        tallies(right),
        {(m, (), b): [{"x": b + number.get(m, 9.0)}, {"x": b}] for m, b in right},
    )
    (row,) = found
    assert row.selections == 6
    assert row.overall is not None
    assert row.overall > 0
    assert row.within_budget == pytest.approx(-1)


def test_too_few_methods_at_a_budget_say_nothing_within_it() -> None:
    right = {("a", 0.1): 3, ("b", 0.1): 2}
    (row,) = correlations(
        tallies(right), {(m, (), b): [{"x": 1.0 * n}] for (m, b), n in right.items()}
    )
    assert row.within_budget is None
    assert row.overall == pytest.approx(1)


def test_a_number_that_no_video_has_is_none() -> None:
    right = {("a", 0.1): 3, ("b", 0.1): 2, ("c", 0.1): 5}
    (row,) = correlations(tallies(right), {(m, (), b): [{"x": None}] for m, b in right})
    assert (row.overall, row.selections) == (None, 0)
