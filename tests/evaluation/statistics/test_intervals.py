from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evscli.evaluation.statistics.intervals import (
    accuracy_interval,
    difference_interval,
    effective_size,
)

Ints = NDArray[np.int64]


def ints(*values: int) -> Ints:
    return np.array(values, dtype=np.int64)


@st.composite
def scores(draw: st.DrawFn) -> tuple[Ints, Ints]:
    """(right, asked) by video."""
    asked = draw(st.lists(st.integers(1, 6), min_size=1, max_size=12))
    right = [draw(st.integers(0, count)) for count in asked]
    return ints(*right), ints(*asked)


@settings(deadline=None)
@given(scores())
def test_an_interval_holds_its_share_and_is_never_a_point(score: tuple[Ints, Ints]) -> None:
    right, asked = score
    low, high = accuracy_interval(right, asked)
    assert 0 <= low <= right.sum() / asked.sum() <= high <= 1
    assert high - low > 0.01


@settings(deadline=None, max_examples=40)
@given(scores(), st.data())
def test_a_difference_interval_holds_its_difference(
    score: tuple[Ints, Ints], data: st.DataObject
) -> None:
    right, asked = score
    gained = ints(*(data.draw(st.integers(-r, a - r)) for r, a in zip(right, asked, strict=True)))
    low, high = difference_interval(gained, asked)
    assert -1 <= low <= gained.sum() / asked.sum() <= high <= 1
    mirrored = difference_interval(-gained, asked)
    assert mirrored == pytest.approx((-high, -low))


def test_it_is_wilsons_interval_of_the_effective_size() -> None:
    # One question a video: as good as one fewer in a plain sample. Wilson's bounds are the shares
    # from which the one seen is 1.96 of their own standard errors away.
    right, asked = ints(*[1] * 16, *[0] * 4), ints(*[1] * 20)
    assert effective_size(right, asked) == pytest.approx(19)
    for bound in accuracy_interval(right, asked):
        assert abs(0.8 - bound) == pytest.approx(1.959964 * (bound * (1 - bound) / 19) ** 0.5)


def test_questions_that_stand_or_fall_with_their_video_count_as_one() -> None:
    together, apart = ints(4, 0, 4, 0, 4, 0), ints(2, 2, 3, 1, 2, 2)
    asked = ints(*[4] * 6)
    assert effective_size(together, asked) == pytest.approx(5)
    assert effective_size(apart, asked) == 24


@pytest.mark.parametrize("right", [0, 3])
def test_without_any_spread_a_video_counts_as_one_question(right: int) -> None:
    assert effective_size(ints(*[right] * 7), ints(*[3] * 7)) == 7


def test_one_video_says_next_to_nothing() -> None:
    low, high = accuracy_interval(ints(9), ints(10))
    assert high - low > 0.7


def sample(
    rng: np.random.Generator, videos: int, share: float, dependence: float, asked: int = 4
) -> Ints:
    """Right answers by video; `dependence` is the correlation within a video."""
    if dependence:
        scale = (1 - dependence) / dependence
        ease = rng.beta(share * scale, (1 - share) * scale, videos)
    else:
        ease = np.full(videos, share)
    return rng.binomial(asked, ease).astype(np.int64)


def bootstrap(right: Ints, asked: Ints, draws: Ints) -> tuple[float, float]:
    """The percentile interval over resampled videos, which the package does not use."""
    low, high = np.quantile(draws @ right / (draws @ asked), [0.025, 0.975])
    return float(low), float(high)


@pytest.mark.parametrize(
    ("videos", "share", "dependence"),
    [(30, 0.97, 0.2), (30, 0.5, 0.2), (10, 0.9, 0.2), (100, 0.9, 0)],
)
def test_accuracy_intervals_cover_the_truth_as_often_as_they_say(
    videos: int, share: float, dependence: float
) -> None:
    rng = np.random.default_rng(0)
    asked = np.full(videos, 4)
    covered = 0
    for _ in range(500):
        low, high = accuracy_interval(sample(rng, videos, share, dependence), asked)
        covered += low <= share <= high
    assert covered / 500 >= 0.92


def test_a_bootstrap_would_cover_it_less_often_where_nearly_all_is_right() -> None:
    rng = np.random.default_rng(0)
    asked = np.full(30, 4)
    draws = rng.multinomial(30, np.full(30, 1 / 30), size=500)
    covered = np.zeros(2)
    for _ in range(400):
        right = sample(rng, 30, 0.97, 0.2)
        for i, (low, high) in enumerate(
            (accuracy_interval(right, asked), bootstrap(right, asked, draws))
        ):
            covered[i] += low <= 0.97 <= high
    assert covered[0] / 400 >= 0.94
    assert covered[1] / 400 <= 0.9


@pytest.mark.parametrize("loss", [0.02, 0.2])
def test_difference_intervals_cover_small_and_large_losses(loss: float) -> None:
    rng = np.random.default_rng(0)
    asked = np.full(30, 4)
    covered = 0
    for _ in range(500):
        before = sample(rng, 30, 0.97, 0.2)
        gained = -rng.binomial(before, loss)
        low, high = difference_interval(gained.astype(np.int64), asked)
        covered += low <= -0.97 * loss <= high
    assert covered / 500 >= 0.92


def test_no_changed_answer_is_no_certainty() -> None:
    low, high = difference_interval(ints(*[0] * 20), ints(*[1] * 20))
    assert (low, high) == pytest.approx((-high, high))
    assert 0.05 < high < 0.2
