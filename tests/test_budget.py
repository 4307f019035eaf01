from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evscli.budget import Demand, floor_count, parse_rule, round_count
from evscli.errors import UsageError


def demand(tokens: int = 2880, seconds: float = 10.0, name: str = "clip") -> Demand:
    return Demand(id=name, tokens=tokens, seconds=seconds)


def test_a_fraction_is_the_same_for_every_video() -> None:
    assert parse_rule("0.3").of(demand(), 0) == 0.3


@pytest.mark.parametrize("text", ["1234567tok/s", "100.0001tok/s", "0.1234567:0.9", "0.3", "1"])
def test_a_rule_is_written_so_that_it_can_be_read_again(text: str) -> None:
    assert str(parse_rule(text)) == text
    assert parse_rule(str(parse_rule(text))) == parse_rule(text)


@pytest.mark.parametrize("text", [".1:.9", "0.1:0.9", "0.10:0.9"])
def test_numbers_are_written_as_people_do(text: str) -> None:
    assert str(parse_rule(text)) == "0.1:0.9"


@given(tokens=st.integers(1, 200_000), wanted=st.integers(1, 10_000))
def test_tokens_per_video_are_exact(tokens: int, wanted: int) -> None:
    fraction = parse_rule(f"{wanted}tok").of(demand(tokens), 0)
    assert floor_count(tokens, fraction) == round_count(tokens, fraction) == min(tokens, wanted)


@given(tokens=st.integers(1, 200_000), seconds=st.floats(0, 4000))
def test_tokens_per_second_follow_the_time(tokens: int, seconds: float) -> None:
    fraction = parse_rule("12.5tok/s").of(demand(tokens, seconds), 0)
    assert floor_count(tokens, fraction) == min(tokens, max(1, round(12.5 * seconds)))


class TestDraws:
    def test_depend_on_the_id_and_the_seed_alone(self) -> None:
        rule = parse_rule("0.1:0.9")
        assert rule.of(demand(), 0) == rule.of(demand(5, 1.0), 0)
        assert rule.of(demand(), 0) != rule.of(demand(), 1)
        assert rule.of(demand(), 0) != rule.of(demand(name="other"), 0)

    def test_are_the_same_on_every_machine_and_day(self) -> None:
        assert parse_rule("0.1:0.9").of(demand(), 0) == pytest.approx(0.4634504409962431)
        beta = parse_rule("0.1:0.9", distribution="beta:1.2,1.2")
        assert beta.of(demand(), 0) == pytest.approx(0.4120906706139382)

    @pytest.mark.parametrize(
        ("distribution", "mean", "deviation"),
        [
            (None, 0.5, 0.8 / 12**0.5),
            ("uniform", 0.5, 0.8 / 12**0.5),
            ("beta:2,6", 0.3, 0.8 * (1 / 48) ** 0.5),
        ],
    )
    def test_are_of_the_distribution(
        self, distribution: str | None, mean: float, deviation: float
    ) -> None:
        rule = parse_rule("0.1:0.9", distribution=distribution)
        drawn = [rule.of(demand(name=f"v{number}"), 7) for number in range(4000)]
        assert min(drawn) >= 0.1
        assert max(drawn) <= 0.9
        assert statistics.mean(drawn) == pytest.approx(mean, abs=0.015)
        assert statistics.stdev(drawn) == pytest.approx(deviation, abs=0.015)


@pytest.mark.parametrize("text", ["0.3", "4096tok", "256tok/s", "0.1:0.9"])
def test_rules_are_written_as_they_were_read(text: str) -> None:
    assert str(parse_rule(text)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lots", "'lots' is not understood: write one such as 0.25, 4096tok"),
        ("0tok", "'0tok' keeps nothing"),
        ("0tok/s", "'0tok/s' keeps nothing"),
        ("4096 tok", "is not understood"),
        ("0.9:0.1", "goes from 0.9 down: write 0.1:0.9"),
        ("0.5:0.5", "nothing to draw: write 0.5"),
        ("0.1:1.5", "at most 1, got 1.5"),
        ("1.5", "at most 1, got 1.5"),
        ("nan", "above 0 and at most 1"),
    ],
)
def test_other_texts_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_rule(text)


@pytest.mark.parametrize("distribution", ["normal", "beta:0,1", "beta:1", "beta:1,2,3"])
def test_other_distributions_are_refused(distribution: str) -> None:
    with pytest.raises(UsageError, match="write uniform, or beta:A,B"):
        parse_rule("0.1:0.9", distribution=distribution)


def test_a_distribution_without_a_range_is_refused() -> None:
    with pytest.raises(UsageError, match=r"budget '0\.3' is not one: give one such as 0\.1:0\.9"):
        parse_rule("0.3", distribution="uniform")
