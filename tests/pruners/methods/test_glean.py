"""GleanVID against its formulas written out step by step; no reference output exists."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from evscli.errors import UsageError
from evscli.pruners import prune
from evscli.pruners.ops.novelty import Bias, frame_novelty, frame_shares
from evscli.records import KeptTokens, VideoTokens
from tests.pruners.videos import noise, still


def glean(embeds: Tensor, budget: float, **options: str | int | float) -> KeptTokens:
    return prune(VideoTokens.from_embeds(embeds), "glean", budget=budget, **options)


def drifting(t: int, h: int, w: int, d: int, seed: int = 0) -> Tensor:
    """A video whose every token walks away from where it began."""
    return noise(1, h, w, d, seed) + 0.3 * noise(t, h, w, d, seed + 1).cumsum(0)


def debiased(x: Tensor) -> Tensor:
    mean = x.mean((0, 1, 2))
    direction = torch.linalg.svd((x - mean).flatten(0, 2), full_matrices=False).Vh[0]
    return x - ((x - mean) @ direction)[..., None] * direction


def cell(x: Tensor, row: int, column: int) -> Tensor:
    """The mean of the 2x2 cell that holds a token of a frame [h, w, D]."""
    top, left = row // 2 * 2, column // 2 * 2
    return x[top : top + 2, left : left + 2].mean((0, 1))


def novelties(clean: Tensor) -> list[float]:
    t, h, w, _ = clean.shape
    sums = []
    for frame in range(t):
        total = 0.0
        for row in range(h):
            for column in range(w):
                z = cell(clean[frame], row, column)
                squared = z @ z
                if frame:
                    past = torch.stack([cell(clean[i], row, column) for i in range(frame)])
                    gram = past @ past.T
                    gram += 1e-4 * gram.trace() / frame * torch.eye(frame, dtype=z.dtype)
                    b = past @ z
                    squared = squared - b @ torch.linalg.solve(gram, b)
                total += float(squared.clamp(min=0).sqrt())
        sums.append(total)
    return sums


def budgets(novelty: list[float], count: int, cells: int) -> list[int]:
    t, total = len(novelty), sum(novelty)
    gini = 2 * sum(i * r for i, r in enumerate(sorted(novelty), 1)) / (t * total) - (t + 1) / t
    alpha = 0.6 - 0.4 * gini
    wanted = [alpha * count / t + (1 - alpha) * count * r / total for r in novelty]
    kept = [min(int(share), cells) for share in wanted]
    order = sorted(range(t), key=lambda frame: int(wanted[frame]) - wanted[frame])
    while sum(kept) < count:
        for frame in order:
            if kept[frame] < cells and sum(kept) < count:
                kept[frame] += 1
    return kept


def unit_range(x: Tensor) -> Tensor:
    alike = x.max() - x.min() < 1e-9
    return torch.zeros_like(x) if alike else (x - x.min()) / (x.max() - x.min())


def cos(a: Tensor, b: Tensor) -> Tensor:
    return (a @ b) / (a.norm() * b.norm())


def written_out(embeds: Tensor, budget: float) -> Tensor:
    """The mask of GleanVID in float64."""
    x = embeds.double()
    t, h, w, _ = x.shape
    clean = debiased(x)
    shares = budgets(novelties(clean), int(budget * t * h * w), h * w)
    mask = torch.zeros(t, h * w, dtype=torch.bool)
    kept = clean.new_empty(0, x.shape[-1])
    for frame in range(t):
        u = [
            softplus(4 * (cos(token, cell(x[frame], i, j)) - cos(token, x[frame].mean((0, 1))))) / 4
            for i in range(h)
            for j in range(w)
            for token in [x[frame, i, j]]
        ]
        rows = clean[frame].flatten(0, 1)
        outside = rows - rows @ torch.linalg.pinv(kept) @ kept if len(kept) else rows
        scores = unit_range(torch.stack(u)) + unit_range(outside.norm(dim=1))
        best = scores.argsort(descending=True, stable=True)[: shares[frame]]
        mask[frame, best] = True
        kept = torch.cat([kept, rows[best]])
    return mask.view(t, h, w)


@pytest.mark.parametrize("grid", [(6, 4, 4), (5, 3, 5), (4, 1, 7), (1, 4, 4), (2, 2, 2)])
@pytest.mark.parametrize("budget", [0.1, 0.3, 0.6])
def test_masks_are_those_of_the_formulas(grid: tuple[int, int, int], budget: float) -> None:
    embeds = drifting(*grid, 64)
    if int(budget * embeds[..., 0].numel()) in range(1, 64):
        assert torch.equal(glean(embeds, budget).mask, written_out(embeds, budget))


def test_the_direction_that_varies_most_is_taken_out() -> None:
    embeds = noise(3, 4, 4, 16) + 20 * noise(3, 4, 4, 1, seed=1) * noise(1, 1, 1, 16, seed=2)
    bias = Bias.of(embeds)
    torch.testing.assert_close(bias.removed(embeds), debiased(embeds), rtol=0, atol=1e-4)
    assert bias.removed(embeds).var(dim=(0, 1, 2)).sum() < 0.1 * embeds.var(dim=(0, 1, 2)).sum()


def test_a_frame_that_repeats_is_not_new_and_one_that_differs_is() -> None:
    embeds = still(6, 4, 4, 32)
    embeds[4] = noise(1, 4, 4, 32, seed=5)[0]
    novelty = frame_novelty(embeds, Bias.of(embeds), history=8)
    assert novelty[[1, 2, 3, 5]].max() < 0.05 * novelty[[0, 4]].min()
    kept = glean(embeds, 0.25).mask.flatten(1).sum(1)
    assert kept[[0, 4]].min() > kept[[1, 2, 3, 5]].max()


def test_shares_are_evener_where_frames_are_equally_new() -> None:
    even = frame_shares(torch.tensor([1.0, 1.0, 1.0, 1.0]))
    torch.testing.assert_close(even, torch.full((4,), 0.25))
    unequal = frame_shares(torch.tensor([0.0, 0.0, 0.0, 1.0]))
    torch.testing.assert_close(unequal, torch.tensor([0.075, 0.075, 0.075, 0.775]))
    assert torch.equal(frame_shares(torch.zeros(4)), even)


def test_only_so_many_frames_before_are_remembered() -> None:
    embeds = torch.cat([noise(3, 4, 4, 64), still(1, 4, 4, 64), noise(3, 4, 4, 64, seed=4)])
    embeds[6] = embeds[0]
    bias = Bias.of(embeds)
    whole, same, short = (frame_novelty(embeds, bias, history=n) for n in (100, 6, 2))
    torch.testing.assert_close(whole, same)
    torch.testing.assert_close(whole[:3], short[:3])
    assert whole[6] < 0.1 * short[6]


def test_a_basis_that_is_full_leaves_only_the_salience_and_a_decayed_one_goes_on() -> None:
    """The paper's form after as many kept tokens as they have values."""
    embeds = drifting(8, 4, 4, 12)
    full, decayed = glean(embeds, 0.5), glean(embeds, 0.5, basis="decayed")
    assert full.scores is not None
    assert decayed.scores is not None
    assert full.scores[-1].max() == 1.0  # the salience alone, rescaled
    assert decayed.scores[-1].max() > 1.2
    assert not torch.equal(full.mask, decayed.mask)


def test_a_tau_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="tau of glean must be above 0, got 0: the paper uses 4"):
        glean(noise(2, 2, 2), 0.5, tau=0.0)


@pytest.mark.parametrize("basis", ["paper", "decayed"])
def test_values_too_large_for_its_scores_are_refused(basis: str) -> None:
    huge = VideoTokens.from_embeds(noise(6, 3, 4) * 1e19)
    with pytest.raises(UsageError, match="values too large for 'glean'"):
        prune(huge, "glean", budget=0.3, basis=basis)
