"""What holds for the methods that choose windows inside an encoder, whatever they are given."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evscli.encoders.scorer import expected_shapes
from evscli.pruners import check_selection, list_pruners, select_windows
from evscli.records import OptionValue, PruneInputs, VideoWindows, WindowChoice

WIDTH = 8
INSIDE = [pruner.name for pruner in list_pruners() if pruner.inside is not None]
VARIANTS: dict[str, tuple[str, dict[str, OptionValue]]] = {
    **{name: (name, {}) for name in INSIDE},
    "stts without refill": ("stts", {"refill": False}),
    "stts at the end": ("stts", {"inside": False}),
    "stts but for two frames": ("stts", {"uncounted": 2}),
    "stts by the frame before": ("stts", {"score": "easy"}),
    "stts by what was new": ("stts", {"score": "heuristic", "threshold": 0.3}),
}
grids = st.tuples(st.integers(1, 9), st.integers(1, 5), st.integers(1, 5))
budgets = st.floats(0.01, 1.0)


def windows_of(grid: tuple[int, int, int], *, seed: int = 0) -> VideoWindows:
    generator = torch.Generator().manual_seed(seed)
    return VideoWindows(states=torch.randn(*grid, 4, WIDTH, generator=generator))


def select(windows: VideoWindows, variant: str, budget: float) -> WindowChoice:
    method, options = VARIANTS[variant]
    generator = torch.Generator().manual_seed(1)
    shapes = expected_shapes(WIDTH, 6).items()
    scorer = {name: torch.randn(shape, generator=generator) for name, shape in shapes}
    inputs = PruneInputs(scorer=scorer, heads=2)
    return select_windows(check_selection(method, budget, options), windows, inputs)


def test_there_are_two_such_methods() -> None:
    assert INSIDE == ["stts", "window-diff"]


@pytest.mark.parametrize("variant", VARIANTS)
@settings(deadline=None, max_examples=20)
@given(grid=grids, budget=budgets, seed=st.integers(0, 1000))
def test_keeps_as_many_as_it_promises_and_the_first_frame(
    variant: str, grid: tuple[int, int, int], budget: float, seed: int
) -> None:
    windows = windows_of(grid, seed=seed)
    kept = select(windows, variant, budget).kept
    method, options = VARIANTS[variant]
    request = check_selection(method, budget, options)
    assert kept.mask.shape == grid
    assert kept.mask.dtype == torch.bool
    assert kept.count == kept.expected == request.expected_count(grid)
    assert kept.mask[0].all()
    assert torch.equal(select(windows, variant, budget).kept.mask, kept.mask)


@pytest.mark.parametrize("variant", VARIANTS)
@settings(deadline=None, max_examples=20)
@given(grid=grids)
def test_budget_one_keeps_everything(variant: str, grid: tuple[int, int, int]) -> None:
    assert select(windows_of(grid), variant, 1.0).kept.mask.all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_windows_that_are_all_alike_keep_their_count(variant: str) -> None:
    windows = VideoWindows(states=torch.ones(6, 3, 4, 4, WIDTH))
    kept = select(windows, variant, 0.4).kept
    assert kept.count == kept.expected
    assert kept.mask[0].all()


@settings(deadline=None, max_examples=30)
@given(grid=grids, budget=budgets, power=st.integers(-12, 12))
def test_the_scale_of_the_states_does_not_matter_without_a_scorer(
    grid: tuple[int, int, int], budget: float, power: int
) -> None:
    windows = windows_of(grid)
    scaled = VideoWindows(states=windows.states * 2.0**power)
    kept = select(windows, "window-diff", budget).kept
    assert torch.equal(select(scaled, "window-diff", budget).kept.mask, kept.mask)


def test_frames_that_are_not_counted_leave_more_windows() -> None:
    """A video of that many frames is not pruned."""
    request = check_selection("stts", 0.5, {"uncounted": 2})
    assert request.expected_count((2, 3, 4)) == 24
    assert request.expected_count((6, 3, 4)) == 72 - 24
    assert check_selection("stts", 0.5).expected_count((6, 3, 4)) == 36


def test_heuristics_need_no_scorer_and_give_no_bias() -> None:
    for score in ("easy", "heuristic"):
        request = check_selection("stts", 0.5, {"score": score})
        assert not request.needs
        choice = select_windows(request, windows_of((4, 2, 3)), PruneInputs())
        assert choice.bias is None
        assert choice.refill
    assert check_selection("stts", 0.5).needs == {"scorer"}


@settings(deadline=None, max_examples=30)
@given(grid=grids, budget=budgets)
def test_the_bias_of_stts_is_between_minus_two_and_nothing(
    grid: tuple[int, int, int], budget: float
) -> None:
    choice = select(windows_of(grid), "stts", budget)
    assert choice.bias is not None
    assert choice.bias.shape == grid
    assert not choice.bias[0].any()
    assert (choice.bias >= -2.0001).all()
    assert (choice.bias <= 1e-4).all()
