from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest

from evscli.errors import UsageError
from evscli.mini.training.plan import TrainingPlan


def test_the_learning_rate_rises_then_falls_to_nothing() -> None:
    plan = TrainingPlan(steps=100, looks=0, warmup=10, rate=0.5)
    rates = [plan.rate_at(step) for step in range(101)]
    assert rates[0] == pytest.approx(0.05)
    assert rates[9] == max(rates) == pytest.approx(0.5 * 0.91)
    assert all(a < b for a, b in pairwise(rates[:10]))
    assert [a - b for a, b in pairwise(rates[9:])] == pytest.approx([0.5 / 100] * 91)
    assert rates[100] == 0


def test_it_rises_again_when_the_language_model_joins_in() -> None:
    plan = TrainingPlan(steps=100, looks=40, warmup=10, rate=0.5)
    rates = [plan.rate_at(step) for step in range(100)]
    assert rates[40] == pytest.approx(0.5 * 0.1 * 0.6)
    assert rates[49] == pytest.approx(0.5 * 0.51)
    assert rates[39] > rates[49] > rates[50]


def test_more_steps_raise_the_rate_to_half_and_let_it_fall_again() -> None:
    plan = TrainingPlan(steps=100, more=50, looks=0, warmup=10, rate=0.5)
    without = TrainingPlan(steps=100, looks=0, warmup=10, rate=0.5)
    assert (plan.total, without.total) == (150, 100)
    assert [plan.rate_at(s) for s in range(100)] == [without.rate_at(s) for s in range(100)]
    again = [plan.rate_at(step) for step in range(100, 151)]
    assert again[9] == max(again) == pytest.approx(0.5 * 0.5 * 41 / 50)
    assert [a - b for a, b in pairwise(again[9:])] == pytest.approx([0.25 / 50] * 41)
    assert again[50] == 0


def test_the_tower_learns_alone_for_about_a_fifth_unless_told() -> None:
    assert TrainingPlan(steps=2400).looks == 500
    assert TrainingPlan(steps=1).looks == 0
    assert TrainingPlan(steps=2400, looks=0).looks == 0


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"steps": 0}, "--steps must be 1 or more, got 0"),
        ({"tokens": -1}, "--tokens must be 1 or more, got -1"),
        ({"warmup": 0}, "warmup must be at least 1, got 0"),
        ({"steps": 8, "looks": 8}, "looks must be fewer than the 8 steps, got 8"),
        ({"looks": -2}, "got -2"),
        ({"more": -1}, "--more must be 0 or more, got -1"),
        ({"view": "whoel"}, "--view: 'whoel' is not one of 'whole', 'first-frame'"),
        ({"rate": 0.0}, "rate must be a number above 0, got 0.0"),
        ({"rate": math.nan}, "rate must be a number above 0, got nan"),
        ({"rate": math.inf}, "rate must be a number above 0, got inf"),
    ],
)
def test_what_cannot_be_trained_is_refused(fault: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        TrainingPlan(**fault)


def test_every_setting_is_told() -> None:
    assert set(TrainingPlan().values()) == {
        *("seed", "steps", "more", "looks", "tokens", "rate", "warmup", "weight_decay", "view"),
        "algorithm",
    }
