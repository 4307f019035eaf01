from __future__ import annotations

import numpy as np
import pytest

from evscli.errors import UsageError
from evscli.train.rates import RateDistribution, parse_rates


def drawn(text: str, count: int = 4000) -> list[float]:
    return [parse_rates(text).draw(seed=3, step=step) for step in range(count)]


@pytest.mark.parametrize(
    ("text", "mean", "spread"),
    [
        ("beta:1.2,1.2", 0.5, (1 / 4 / 3.4) ** 0.5),
        ("beta:2,6", 0.25, (0.25 * 0.75 / 9) ** 0.5),
        ("uniform", 0.5, 12**-0.5),
        ("uniform:0.2,0.8", 0.5, 0.6 * 12**-0.5),
        ("fixed:0.75", 0.75, 0.0),
    ],
)
def test_rates_follow_the_distribution(text: str, mean: float, spread: float) -> None:
    rates = np.array(drawn(text))
    assert rates.mean() == pytest.approx(mean, abs=0.02)
    assert rates.std() == pytest.approx(spread, abs=0.01)
    assert rates.min() >= 0
    assert rates.max() < 1


def test_a_rate_follows_from_seed_and_step_alone() -> None:
    rates = parse_rates("beta:1.2,1.2")
    assert rates.draw(seed=1, step=7) == rates.draw(seed=1, step=7)
    assert len({rates.draw(seed=seed, step=step) for seed in (1, 2) for step in range(50)}) == 100


def test_a_distribution_is_written_as_it_is_read() -> None:
    for text in ("beta:1.2,1.2", "uniform:0,1", "uniform:0.2,0.8", "fixed:0.9876543"):
        assert str(parse_rates(text)) == text
    assert parse_rates(" beta: 1.2 , 1.2 ") == RateDistribution(kind="beta", first=1.2, second=1.2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "beta",
        "beta:0,1",
        "beta:1",
        "uniform:0.8,0.2",
        "uniform:0,2",
        "fixed:0.9999",
        "fixed:-1",
    ],
)
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write one as beta:"):
        parse_rates(text)
