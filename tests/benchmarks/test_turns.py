"""Ways take turns, and a ratio is taken within each round."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from benchmarks.harness.turns import Turns, medians_of, ranges_of, spread_of, take_turns


def test_ways_take_turns_and_warm_up_uncounted() -> None:
    calls: list[str] = []
    time = iter(range(100))
    checked: list[Mapping[str, str]] = []

    def way(name: str) -> Callable[[], str]:
        def run() -> str:
            calls.append(name)
            return name.upper()

        return run

    turns = take_turns(
        {"a": way("a"), "b": way("b")},
        rounds=2,
        clock=lambda: float(next(time)),
        check=checked.append,
    )
    assert "".join(calls) == "ba" + "ab" + "ba"
    assert turns.seconds == {"a": [1.0, 1.0], "b": [1.0, 1.0]}
    assert turns.last == {"a": "A", "b": "B"}
    assert checked == 3 * [{"a": "A", "b": "B"}]


def test_a_result_that_is_wrong_ends_it() -> None:
    def check(results: Mapping[str, int]) -> None:
        raise SystemExit(f"{results['a']} is wrong")

    with pytest.raises(SystemExit, match="1 is wrong"):
        take_turns({"a": lambda: 1}, rounds=1, check=check)


def test_spells_in_which_the_machine_is_slow_leave_a_ratio_alone() -> None:
    turns = Turns({"a": [1.0, 10.0, 1.2], "b": [2.0, 20.0, 2.4]}, last={"a": None, "b": None})
    ratio = turns.ratio("b", "a")
    assert (ratio.median, ratio.least, ratio.most) == (2.0, 2.0, 2.0)
    assert turns.medians == {"a": 1.2, "b": 2.4}
    assert turns.of("a").text() == "1.20 (1.00 to 10.00)"
    assert turns.of("a").text(".0f", 1000) == "1200 (1000 to 10000)"


def test_one_value_has_no_spread() -> None:
    spreads = {"one": spread_of([2.0]), "two": spread_of([1.0, 3.0])}
    assert spreads["one"].text() == "2.00"
    assert medians_of(spreads) == {"one": 2.0, "two": 2.0}
    assert ranges_of(spreads) == {"two": (1.0, 3.0)}
