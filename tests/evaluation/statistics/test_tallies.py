from __future__ import annotations

from dataclasses import replace

import pytest

from evscli.evaluation.statistics.intervals import accuracy_interval
from evscli.evaluation.statistics.results import Answered
from evscli.evaluation.statistics.tallies import Tally, tally
from tests.evaluation.answers import answers

RIGHT = {"a": [True, True], "b": [True, False], "c": [False, False]}
BETTER = {"a": [True, True], "b": [True, True], "c": [False, True]}


def everything() -> list[Answered]:
    return [
        *answers(BETTER, method="none", budget=1.0),
        *answers(RIGHT),
        *answers(RIGHT, budget=0.5),
        *answers({"a": [True, False], "b": [False, False], "c": [False, False]}, method="random"),
    ]


def find(tallies: list[Tally], method: str, budget: float, kind: str = "all") -> Tally:
    (found,) = (t for t in tallies if (t.method, t.budget, t.kind) == (method, budget, kind))
    return found


def test_right_answers_questions_videos_and_tokens_are_counted() -> None:
    row = find(tally(everything()), "vcast", 0.25)
    assert (row.correct, row.asked, row.videos) == (3, 6, 3)
    assert (row.accuracy, row.chance, row.kept_fraction) == (0.5, 0.5, 0.25)


def test_bounds_are_those_of_the_clustered_interval() -> None:
    import numpy as np

    row = find(tally(everything()), "vcast", 0.25)
    assert (row.low, row.high) == accuracy_interval(np.array([2, 1, 0]), np.array([2, 2, 2]))


def test_selections_keep_the_order_of_their_first_answer() -> None:
    found = [(row.method, row.budget) for row in tally(everything())]
    assert found == [("none", 1.0), ("vcast", 0.25), ("vcast", 0.5), ("random", 0.25)]


def test_differences_are_to_unpruned_and_to_random_at_the_same_budget() -> None:
    tallies = tally(everything())
    pruned = find(tallies, "vcast", 0.25)
    assert pruned.versus_none is not None
    assert pruned.versus_none.value == pytest.approx(3 / 6 - 5 / 6)
    assert pruned.versus_none.low < pruned.versus_none.value < pruned.versus_none.high
    assert pruned.versus_random is not None
    assert pruned.versus_random.value == pytest.approx(3 / 6 - 1 / 6)
    assert find(tallies, "vcast", 0.5).versus_random is None, "random was not run at 0.5"


def test_nothing_is_compared_with_random_that_kept_fewer_tokens() -> None:
    kept = [
        replace(answer, kept=26 if answer.method == "random" else 25) for answer in everything()
    ]
    assert find(tally(kept), "vcast", 0.25).versus_random is None
    assert find(tally(kept), "vcast", 0.25).versus_none is not None


def test_nothing_is_compared_with_itself() -> None:
    tallies = tally(everything())
    assert find(tallies, "none", 1.0).versus_none is None
    assert find(tallies, "random", 0.25).versus_random is None
    assert find(tallies, "random", 0.25).versus_none is not None


def test_a_difference_is_paired_by_video() -> None:
    # The same shares of right answers, once in the same videos and once in others.
    base = {f"{i}": [i % 2 == 0] * 4 for i in range(20)}
    same = tally([*answers(base, method="none", budget=1.0), *answers(base)])
    other = {name: [not row[0]] * 4 for name, row in base.items()}
    swapped = tally([*answers(base, method="none", budget=1.0), *answers(other)])
    widths = []
    for rows in (same, swapped):
        difference = find(rows, "vcast", 0.25).versus_none
        assert difference is not None
        assert difference.value == 0
        widths.append(difference.high - difference.low)
    assert widths[0] < widths[1] / 5


def test_kinds_are_counted_apart_after_all_of_them() -> None:
    mixed = [*everything(), *(replace(a, kind="color") for a in everything())]
    tallies = tally(mixed)
    assert [row.kind for row in tallies] == ["all"] * 4 + ["color"] * 4 + ["question"] * 4
    assert find(tallies, "vcast", 0.25).asked == 12
    assert find(tallies, "vcast", 0.25, "color").asked == 6


def test_one_kind_needs_no_tally_of_its_own() -> None:
    assert {row.kind for row in tally(everything())} == {"all"}


def test_a_kind_counts_only_the_videos_it_was_asked_of() -> None:
    mixed = [*everything(), *answers({"d": [True]}, kind="color", method="none", budget=1.0)]
    mixed += answers({"d": [True]}, kind="color")
    mixed = [a for a in mixed if a.method in ("none", "vcast") and a.budget != 0.5]
    assert find(tally(mixed), "vcast", 0.25, "color").videos == 1
    assert find(tally(mixed), "vcast", 0.25).videos == 4


def test_options_tell_selections_of_one_method_apart() -> None:
    rows = tally([*answers(RIGHT, tau=0.5), *answers(BETTER, tau=0.7)])
    assert [(row.options["tau"], row.correct) for row in rows] == [(0.5, 3), (0.7, 5)]


def test_selections_that_were_asked_other_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="other all questions"):
        tally([*answers(RIGHT), *answers({"a": [True]}, budget=0.5)])


def test_no_answers_give_no_tallies() -> None:
    assert tally([]) == []
