"""What holds for every registered method, whatever the grid, the budget and the content."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from evscli.budget import Demand, parse_rule
from evscli.pruners import check_selection, list_pruners, prune, select_tokens
from evscli.records import KeptTokens, OptionValue, PruneInputs, VideoTokens
from tests.pruners.videos import noise, pictures, source, still, tokens

METHODS = [p.name for p in list_pruners() if not p.keeps_all and p.inside is None]
VARIANTS: dict[str, tuple[str, dict[str, OptionValue]]] = {
    **{name: (name, {}) for name in METHODS},
    "evs in a window": ("evs", {"window": 1}),
    "evs paper": ("evs", {"rule": "paper"}),
    "vcast largest remainder": ("vcast", {"largest_remainder": True}),
    "vcast min_k 3": ("vcast", {"min_k": 3}),
    "vcast sharp": ("vcast", {"tau": 0.05}),
    "vidcom2 as published": ("vidcom2", {"exact": False}),
    "glean decayed": ("glean", {"basis": "decayed"}),
    "glean of short memory": ("glean", {"history": 2}),
    "surprise by other parts": ("surprise", {"frames": "novelty", "score": "salience+uniqueness"}),
    "surprise by curvature": ("surprise", {"frames": "curvature", "score": "outlier"}),
    "divprune in parts": ("divprune", {"part": 10}),
}
ABOUT = {"vidcom2 as published"}
"""Whose count follows from the content, and is known in advance only about."""
IN_STEPS = {"none", "uniform-frames", "uniform-grid"}
"""Methods whose count goes in steps of whole frames or of a token in each."""
grids = st.tuples(st.integers(1, 9), st.integers(1, 5), st.integers(1, 5))
ONE, PAIR, FRAME = (1, 1, 1), (2, 1, 1), (1, 3, 4)
"""The smallest grids: one token, one cell twice, and one frame."""
budgets = st.floats(0.01, 1.0)
seeds = st.integers(0, 1000)


def select(embeds: Tensor, variant: str, budget: float, seed: int = 0) -> KeptTokens:
    method, options = VARIANTS[variant]
    request = check_selection(method, budget, options)
    query = noise(1, 1, 3, embeds.shape[-1], seed=9).view(3, -1)
    t, h, w, _ = embeds.shape
    pixels = source(pictures(2 * t, 2 * h, 2 * w))
    inputs = PruneInputs(seed=seed, query=query, pixels=pixels)
    return select_tokens(request, VideoTokens.from_embeds(embeds), inputs)


# Every method is given the same examples, since making them costs more than choosing does.


@settings(deadline=None, max_examples=25)
@given(grid=grids, budget=budgets, seed=seeds)
@example(grid=ONE, budget=0.01, seed=0)
@example(grid=PAIR, budget=0.5, seed=0)
@example(grid=FRAME, budget=0.3, seed=0)
@example(grid=(2, 3, 4), budget=0.1, seed=0)
def test_keeps_as_many_as_it_promises(grid: tuple[int, int, int], budget: float, seed: int) -> None:
    embeds = noise(*grid, seed=seed)
    for variant, (method, options) in VARIANTS.items():
        kept = select(embeds, variant, budget)
        assert kept.mask.shape == grid, variant
        assert kept.mask.dtype == torch.bool, variant
        assert kept.count == kept.expected, variant
        if variant not in ABOUT:
            request = check_selection(method, budget, options)
            assert kept.expected == request.expected_count(grid), variant
        assert 1 <= kept.count <= kept.mask.numel(), variant
        assert torch.equal(select(embeds, variant, budget).mask, kept.mask), variant


@settings(deadline=None, max_examples=25)
@given(grid=grids, small=budgets, large=budgets, seed=seeds)
@example(grid=PAIR, small=0.01, large=1.0, seed=0)
@example(grid=FRAME, small=0.1, large=0.5, seed=0)
@example(grid=(2, 3, 4), small=0.1, large=0.5, seed=0)
def test_nested_masks_are_the_first_tokens_of_one_order(
    grid: tuple[int, int, int], small: float, large: float, seed: int
) -> None:
    small, large = sorted((small, large))
    embeds = noise(*grid, seed=seed)
    for variant, (method, options) in VARIANTS.items():
        request = check_selection(method, small, options)
        rule = request.count_rule(grid[1] * grid[2])
        if rule is None:
            continue
        few, many = (select(embeds, variant, budget) for budget in (small, large))
        assert few.count == rule.count(math.prod(grid), small), variant
        assert few.order is not None, variant
        assert many.order is not None, variant
        assert torch.equal(few.order, many.order), variant
        assert few.order.dtype == torch.int32, variant
        assert torch.equal(few.mask, few.order < few.count), variant
        assert not (few.mask & ~many.mask).any(), variant


def test_methods_and_options_with_one_order_are_known() -> None:
    nested = {
        variant
        for variant, (method, options) in VARIANTS.items()
        if check_selection(method, 0.5, options).count_rule(4) is not None
    }
    surprising = {"surprise", "surprise by other parts", "surprise by curvature"}
    assert nested == {"evs", "evs in a window", "dtd", "rlt", "norm", "random", *surprising}
    inside = check_selection("norm", 0.5, prune_at=1)
    assert inside.count_rule(4) is None


@settings(deadline=None, max_examples=50)
@given(grid=grids, share=st.floats(0, 1))
def test_a_number_of_tokens_is_kept_exactly(grid: tuple[int, int, int], share: float) -> None:
    tokens, cells = math.prod(grid), grid[1] * grid[2]
    wanted = round(share * tokens)
    least = max(cells * math.ceil(grid[0] / 4), grid[0])  # whole frames, or one token of each
    if wanted < least:
        return
    for method in (p.name for p in list_pruners() if p.name not in IN_STEPS):
        request = check_selection(method, parse_rule(f"{wanted}tok"))
        settled = request.for_video(Demand(id="clip", tokens=tokens, seconds=1.0), seed=0)
        assert settled.expected_count(grid) == wanted, method


@settings(deadline=None, max_examples=20)
@given(grid=grids, budget=budgets, repeats=st.booleans())
@example(grid=ONE, budget=0.5, repeats=True)
@example(grid=PAIR, budget=0.5, repeats=False)
@example(grid=FRAME, budget=0.3, repeats=False)
@example(grid=(2, 3, 4), budget=0.2, repeats=True)
def test_a_video_without_content_keeps_its_count(
    grid: tuple[int, int, int], budget: float, repeats: bool
) -> None:
    embeds = still(*grid) if repeats else torch.zeros((*grid, 8))
    for variant in VARIANTS:
        kept = select(embeds, variant, budget)
        # Of "evs paper" every score ties at the percentile.
        expected = kept.mask.numel() if variant == "evs paper" else kept.expected
        assert kept.count == expected, variant


@given(grid=grids)
@settings(deadline=None, max_examples=15)
def test_budget_one_keeps_everything(grid: tuple[int, int, int]) -> None:
    for variant in VARIANTS:
        assert select(noise(*grid), variant, 1.0).mask.all(), variant


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_dtype_of_the_tokens_does_not_matter_only_their_values(
    variant: str, dtype: torch.dtype
) -> None:
    narrow = noise(7, 4, 5, 32).to(dtype)
    kept, same = select(narrow, variant, 0.3), select(narrow.float(), variant, 0.3)
    assert torch.equal(kept.mask, same.mask)
    assert (kept.scores is None) == (same.scores is None)
    if kept.scores is not None and same.scores is not None:
        assert kept.scores.dtype == torch.float32
        assert torch.equal(kept.scores, same.scores)


@pytest.mark.parametrize("variant", VARIANTS)
def test_strided_tokens_are_scored_like_contiguous_ones(variant: str) -> None:
    wide = noise(6, 4, 4, 64)
    view = wide[..., :32]
    kept, same = select(view, variant, 0.3), select(view.contiguous(), variant, 0.3)
    assert torch.equal(kept.mask, same.mask)


@settings(deadline=None, max_examples=20)
@given(grid=grids, budget=budgets, power=st.integers(-12, 12))
@example(grid=PAIR, budget=0.5, power=-12)
@example(grid=FRAME, budget=0.3, power=12)
def test_the_scale_of_the_embeddings_does_not_matter(
    grid: tuple[int, int, int], budget: float, power: int
) -> None:
    """V-CAST alone adds a length to a cosine with an epsilon that does not scale."""
    embeds = noise(*grid)
    for variant in VARIANTS:
        if not variant.startswith("vcast"):
            kept = select(embeds, variant, budget)
            scaled = select(embeds * 2.0**power, variant, budget)
            assert torch.equal(kept.mask, scaled.mask), variant


@pytest.mark.parametrize("variant", ["divprune", "cdpruner", "semvid"])
@pytest.mark.parametrize("scale", [1e30, 1e-30])
def test_sizes_that_squares_cannot_hold_are_no_matter(variant: str, scale: float) -> None:
    embeds = noise(8, 4, 5, 16)
    scaled = (embeds.double() * scale).float()
    kept = select(embeds, variant, 0.3).mask & select(scaled, variant, 0.3).mask
    assert int(kept.sum()) == 48


@pytest.mark.parametrize("variant", VARIANTS)
def test_tokens_that_carry_a_gradient_are_scored_outside_autograd(variant: str) -> None:
    kept = select(noise(4, 3, 3).requires_grad_(), variant, 0.5)
    assert kept.scores is None or not kept.scores.requires_grad


@pytest.mark.parametrize("variant", VARIANTS)
def test_scores_cover_the_grid(variant: str) -> None:
    kept = select(noise(4, 3, 2), variant, 0.5)
    assert kept.scores is None or kept.scores.shape == (4, 3, 2)


def test_none_keeps_all_without_a_budget() -> None:
    kept = prune(tokens(3, 2, 2), "none")
    assert kept.mask.all()
    assert kept.expected == kept.count == 12
