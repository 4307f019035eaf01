from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evscli.pruners import prune
from evscli.records import PruneInputs
from tests.pruners.videos import tokens

METHODS = ["uniform-frames", "uniform-grid", "random"]


@pytest.mark.parametrize("method", METHODS)
def test_the_count_is_the_nearest_to_the_budget(method: str) -> None:
    for budget, count in [(0.01, 1), (0.1, 6), (0.5, 30), (0.999, 60)]:
        assert prune(tokens(5, 3, 4), method, budget=budget).count == count


@pytest.mark.parametrize("method", METHODS)
def test_the_content_does_not_matter(method: str) -> None:
    a = prune(tokens(6, 3, 3, seed=1), method, budget=0.3)
    b = prune(tokens(6, 3, 3, seed=2), method, budget=0.3)
    assert torch.equal(a.mask, b.mask)


class TestUniformFrames:
    def test_keeps_evenly_spread_frames_whole(self) -> None:
        per_frame = prune(tokens(12, 2, 3), "uniform-frames", budget=0.25).mask.flatten(1).sum(1)
        assert per_frame.tolist() == [0, 0, 6, 0, 0, 0, 6, 0, 0, 0, 6, 0]

    def test_the_last_frame_keeps_the_rest_on_a_grid(self) -> None:
        mask = prune(tokens(4, 4, 4), "uniform-frames", budget=20 / 64).mask
        assert mask.flatten(1).sum(1).tolist() == [0, 16, 0, 4]
        assert mask[3].nonzero().tolist() == [[1, 1], [1, 3], [3, 1], [3, 3]]

    def test_less_than_a_frame_is_a_grid_in_the_middle_frame(self) -> None:
        mask = prune(tokens(5, 4, 4), "uniform-frames", budget=4 / 80).mask
        assert mask.flatten(1).sum(1).tolist() == [0, 0, 4, 0, 0]


class TestUniformGrid:
    def test_keeps_the_same_cells_of_every_frame(self) -> None:
        mask = prune(tokens(3, 4, 4), "uniform-grid", budget=0.25).mask
        assert (mask == mask[0]).all()
        assert mask[0].nonzero().tolist() == [[1, 1], [1, 3], [3, 1], [3, 3]]

    @settings(deadline=None, max_examples=60)
    @given(t=st.integers(1, 9), h=st.integers(1, 6), w=st.integers(1, 6), budget=st.floats(0.01, 1))
    def test_frames_differ_by_at_most_one_cell(self, t: int, h: int, w: int, budget: float) -> None:
        mask = prune(tokens(t, h, w), "uniform-grid", budget=budget).mask.flatten(1)
        assert int(mask.sum(1).max() - mask.sum(1).min()) <= 1
        union, common = mask.any(0), mask.all(0)
        assert int((union & ~common).sum()) <= 1


class TestRandom:
    def test_the_seed_decides(self) -> None:
        masks = [
            prune(tokens(6, 4, 4), "random", budget=0.5, inputs=PruneInputs(seed=seed)).mask
            for seed in (0, 0, 1)
        ]
        assert torch.equal(masks[0], masks[1])
        assert not torch.equal(masks[0], masks[2])

    def test_the_global_generator_is_left_alone(self) -> None:
        before = torch.get_rng_state()
        prune(tokens(6, 4, 4), "random", budget=0.5)
        assert torch.equal(torch.get_rng_state(), before)

    def test_every_token_has_the_same_chance(self) -> None:
        counts = torch.zeros(3, 2, 2)
        for seed in range(400):
            counts += prune(
                tokens(3, 2, 2), "random", budget=0.5, inputs=PruneInputs(seed=seed)
            ).mask
        assert counts.min() > 140
        assert counts.max() < 260
