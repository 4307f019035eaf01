from __future__ import annotations

import math
from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from evscli.errors import UsageError
from evscli.evaluation.metrics import Diagnostics, budget_entropy, diagnose, event_survival, rows
from evscli.records import VideoTokens
from tests.evaluation.metrics.masks import random_mask
from tests.pruners.videos import noise

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
grids = st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))
shares = st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])
seeds = st.integers(0, 10_000)


def measure(embeds: Tensor, mask: Tensor, *events: Tensor) -> Diagnostics:
    return diagnose(VideoTokens.from_embeds(embeds), mask, events=events)


def cosine(a: Tensor, b: Tensor) -> float:
    if not a.any() or not b.any():
        return 1.0 if a.any() == b.any() else 0.0
    return float(a @ b / (a.norm() * b.norm()))


def brute_force(embeds: Tensor, mask: Tensor) -> tuple[float, float, float, float]:
    """Radius, facility location, residual and entropy, spelled out in float64."""
    x = embeds.float().double().flatten(0, 2)
    kept = x[mask.flatten()]
    nearest = [max((cosine(a, s) for s in kept), default=-1.0) for a in x]
    basis = torch.linalg.svd(kept, full_matrices=False).Vh if len(kept) else x[:0]
    basis = basis[: int(torch.linalg.matrix_rank(kept, rtol=1e-5)) if len(kept) else 0]
    left = (x - x @ basis.T @ basis).square().sum() / x.square().sum()
    counts = [int(frame.sum()) for frame in mask]
    parts = [n / sum(counts) for n in counts if n]
    entropy = -sum(p * math.log(p) for p in parts)
    entropy = entropy / math.log(len(counts)) if len(counts) > 1 else float(any(counts))
    return 1 - min(nearest), sum(nearest) / len(nearest), float(left), entropy


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("block", [3, 2048])
@settings(deadline=None, max_examples=10)
@given(grid=grids, width=st.integers(1, 9), share=shares, seed=seeds, zeros=st.booleans())
def test_every_number_is_its_formula(
    block: int,
    dtype: torch.dtype,
    grid: tuple[int, int, int],
    width: int,
    share: float,
    seed: int,
    zeros: bool,
) -> None:
    embeds, mask = noise(*grid, width, seed=seed).to(dtype), random_mask(grid, share, seed)
    if zeros:
        embeds[random_mask(grid, 0.3, seed + 1)] = 0
        embeds[0, 0, 0, 0] = 1
    with patch.object(rows, "ROWS_AT_ONCE", block):
        got = measure(embeds, mask)
    radius, facility, residual, entropy = brute_force(embeds, mask)
    assert got.k_center_radius == pytest.approx(radius, abs=1e-6)
    assert got.facility_location == pytest.approx(facility, abs=1e-6)
    assert got.projection_residual == pytest.approx(residual, abs=1e-9)
    assert got.budget_entropy == pytest.approx(entropy, abs=1e-12)
    assert got.event_recall is got.event_token_recall is None


@settings(deadline=None, max_examples=20)
@given(grid=grids, width=st.integers(1, 9), seed=seeds, dtype=st.sampled_from(DTYPES))
def test_keeping_all_gives_the_best_of_every_number(
    grid: tuple[int, int, int], width: int, seed: int, dtype: torch.dtype
) -> None:
    mask = torch.ones(grid, dtype=torch.bool)
    got = measure(noise(*grid, width, seed=seed).to(dtype), mask, mask, mask)
    assert got == Diagnostics(
        k_center_radius=0,
        facility_location=1,
        projection_residual=0,
        budget_entropy=pytest.approx(1),
        event_token_recall=1,
        event_recall=1,
    )


@settings(deadline=None, max_examples=25)
@given(grid=grids, width=st.integers(1, 12), share=shares, more=shares, seed=seeds)
def test_keeping_more_never_makes_it_worse(
    grid: tuple[int, int, int], width: int, share: float, more: float, seed: int
) -> None:
    embeds, mask = noise(*grid, width, seed=seed), random_mask(grid, share, seed)
    event = random_mask(grid, 0.5, seed + 1)
    event[0, 0, 0] = True
    few = measure(embeds, mask, event)
    many = measure(embeds, mask | random_mask(grid, more, seed + 2), event)
    # Another set of kept rows is another shape of matrix product, which may round otherwise.
    assert many.k_center_radius <= few.k_center_radius + 1e-6
    assert many.facility_location >= few.facility_location - 1e-6
    assert many.projection_residual <= few.projection_residual + 1e-9
    assert few.event_recall is not None
    assert few.event_token_recall is not None
    assert (many.event_recall or 0) >= few.event_recall
    assert (many.event_token_recall or 0) >= few.event_token_recall


def test_keeping_nothing_gives_the_worst_of_every_number() -> None:
    nothing = torch.zeros((3, 2, 2), dtype=torch.bool)
    assert measure(noise(3, 2, 2), nothing, ~nothing) == Diagnostics(
        k_center_radius=2,
        facility_location=-1,
        projection_residual=1,
        budget_entropy=0,
        event_token_recall=0,
        event_recall=0,
    )


def test_a_single_token_is_measured() -> None:
    kept = torch.ones((1, 1, 1), dtype=torch.bool)
    got = measure(noise(1, 1, 1), kept)
    assert (got.k_center_radius, got.facility_location) == (0, 1)
    assert (got.projection_residual, got.budget_entropy) == (0, 1)


@pytest.mark.parametrize("axes", [(3, 2, 1, 0), (0, 1, 2, 3)])
def test_strided_tokens_are_measured_like_contiguous_ones(axes: tuple[int, ...]) -> None:
    view = noise(6, 4, 5, 8).permute(axes)[..., ::2]
    mask = random_mask(tuple(view.shape[:3]), 0.3)  # type: ignore[arg-type]
    assert measure(view, mask) == measure(view.contiguous(), mask)


def test_tokens_that_carry_a_gradient_are_measured_alike() -> None:
    embeds, mask = noise(3, 2, 2), random_mask((3, 2, 2), 0.5)
    assert measure(embeds.clone().requires_grad_(), mask) == measure(embeds, mask)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite_are_refused(value: float, share: float) -> None:
    mask = random_mask((4, 3, 3), share)
    for cell in ((0, 0, 0), (3, 2, 2), (1, 1, 1), (2, 0, 1)):
        embeds = noise(4, 3, 3)
        embeds[cell][5] = value
        with pytest.raises(UsageError, match="NaN or infinite values: check the encoder"):
            measure(embeds, mask)


@pytest.mark.parametrize("shape", [(0, 2, 2, 8), (2, 2, 2, 0)])
def test_a_video_without_tokens_or_values_is_refused(shape: tuple[int, int, int, int]) -> None:
    with pytest.raises(UsageError, match=r"nothing to measure.*give at least one token"):
        measure(torch.zeros(shape), torch.ones(shape[:3], dtype=torch.bool))


def test_a_mask_of_another_grid_or_dtype_is_refused() -> None:
    for mask in (torch.ones((2, 2, 3), dtype=torch.bool), torch.ones((2, 2, 2))):
        with pytest.raises(ValueError, match=r"is not bool of the grid \(2, 2, 2\)"):
            measure(noise(2, 2, 2), mask)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_same_numbers_even_where_tf32_is_allowed() -> None:
    embeds, mask = noise(8, 6, 6, 256), random_mask((8, 6, 6), 0.3)
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        got = measure(embeds.cuda(), mask.cuda())
    finally:
        torch.set_float32_matmul_precision(precision)
    expected = measure(embeds, mask)
    assert got.k_center_radius == pytest.approx(expected.k_center_radius, abs=1e-6)
    assert got.facility_location == pytest.approx(expected.facility_location, abs=1e-6)
    assert got.projection_residual == pytest.approx(expected.projection_residual, abs=1e-9)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([3, 3, 3, 3], 1),
        ([0, 5, 0], 0),
        ([2, 2, 0, 0], 0.5),
        ([3, 1], -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))),
        ([4], 1),
        ([0], 0),
        ([0, 0], 0),
    ],
)
def test_budget_entropy_is_one_for_even_and_zero_for_one_frame(
    counts: list[int], expected: float
) -> None:
    mask = (torch.arange(6) < torch.tensor(counts)[:, None]).view(-1, 2, 3)
    assert budget_entropy(mask) == pytest.approx(expected)


class TestEventSurvival:
    def test_is_the_share_of_each_events_cells(self) -> None:
        mask = torch.zeros((4, 2, 2), dtype=torch.bool)
        mask[1] = True
        early, late = torch.zeros_like(mask), torch.zeros_like(mask)
        early[:2, 0], late[3] = True, True
        assert event_survival(mask, [early, late]) == [0.5, 0]
        got = diagnose(VideoTokens.from_embeds(noise(4, 2, 2)), mask, events=[early, late])
        assert (got.event_token_recall, got.event_recall) == (0.25, 0.5)

    def test_leaves_out_events_that_no_sampled_frame_shows(self) -> None:
        mask = torch.ones((2, 2, 2), dtype=torch.bool)
        assert event_survival(mask, [~mask, mask]) == [1]
        got = diagnose(VideoTokens.from_embeds(noise(2, 2, 2)), mask, events=[~mask])
        assert got.event_token_recall is got.event_recall is None

    def test_refuses_events_of_another_grid_or_dtype(self) -> None:
        mask = torch.ones((2, 2, 2), dtype=torch.bool)
        for event in (mask[:1], mask.int()):
            with pytest.raises(ValueError, match=r"is not bool of the grid \(2, 2, 2\)"):
                event_survival(mask, [event])
