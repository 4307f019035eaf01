from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from evscli.errors import UsageError
from evscli.pruners import PruneWarning, check_selection, prune, select_tokens
from evscli.pruners.ops.frame_change import embedding_change, pixel_change
from evscli.records import KeptTokens, OptionValue, PixelSource, PruneInputs, VideoTokens
from tests.pruners.videos import noise, still, tokens


def evs(embeds: Tensor, budget: float, **options: OptionValue) -> KeptTokens:
    return select_tokens(check_selection("evs", budget, options), VideoTokens.from_embeds(embeds))


def test_change_is_one_minus_the_cosine_to_the_frame_before() -> None:
    embeds = noise(6, 3, 4, 16)
    x = embeds.double()
    expected = 1 - functional.cosine_similarity(x[1:], x[:-1], dim=-1)
    change = embedding_change(embeds)
    torch.testing.assert_close(change[1:].double(), expected, atol=1e-6, rtol=1e-6)
    assert (change[0] == 2).all()


def test_a_small_change_is_measured_without_rounding_noise() -> None:
    embeds = still(2, 1, 8, 64)
    embeds[1] += 1e-5 * noise(1, 1, 8, 64, seed=1)[0]
    x = embeds.double()
    a, b = x[0] / x[0].norm(dim=-1, keepdim=True), x[1] / x[1].norm(dim=-1, keepdim=True)
    expected = (a - b).square().sum(dim=-1) / 2  # 1 - cos of unit vectors, free of cancellation
    torch.testing.assert_close(embedding_change(embeds)[1].double(), expected, atol=0, rtol=1e-2)


def test_a_token_equal_to_its_predecessor_scores_exactly_zero() -> None:
    embeds = noise(5, 3, 3)
    embeds[3, 1, 1] = embeds[2, 1, 1]
    embeds[4] = embeds[3]
    change = embedding_change(embeds)
    assert change[3, 1, 1] == 0
    assert (change[4] == 0).all()
    assert (change[3] == 0).sum() == 1


def test_zero_vectors_are_unlike_all_others_and_equal_to_each_other() -> None:
    embeds = torch.zeros((3, 1, 1, 4))
    embeds[1] = 1.0
    assert embedding_change(embeds).flatten().tolist() == [2.0, 1.0, 1.0]
    assert embedding_change(torch.zeros((2, 1, 1, 4)))[1].item() == 0


def test_ties_go_to_the_earlier_token() -> None:
    mask = evs(still(4, 2, 2), 0.5).mask.flatten()
    assert mask.tolist() == [True] * 8 + [False] * 8


@settings(deadline=None, max_examples=40)
@given(t=st.integers(1, 8), n=st.integers(1, 6), budget=st.floats(0.01, 1))
@pytest.mark.parametrize("rule", ["serving", "paper"])
def test_the_first_frame_is_always_whole(rule: str, t: int, n: int, budget: float) -> None:
    assert evs(noise(t, 1, n), budget, rule=rule).mask[0].all()


def test_later_frames_are_ranked_over_the_whole_video_not_per_frame() -> None:
    embeds = still(4, 2, 2, 16)
    embeds[2] = noise(1, 2, 2, 16, seed=7)[0]
    embeds[3] = embeds[2]
    assert evs(embeds, 0.5).mask.flatten(1).sum(dim=1).tolist() == [4, 0, 4, 0]


def test_the_predecessor_is_the_real_frame_before_not_the_last_kept() -> None:
    embeds = noise(1, 1, 1, 16).repeat(4, 1, 8, 1)
    drift = noise(1, 1, 8, 16, seed=3)[0] * 0.1
    for t in range(1, 4):
        embeds[t] = embeds[t - 1] + drift  # small steps that add up
    change = embedding_change(embeds)[1:]
    assert change.max() < 0.1


class TestCounts:
    @pytest.mark.parametrize(("rate", "count"), [(0.9, 99), (0.8, 199), (0.5, 500), (0.0, 1000)])
    def test_a_pruning_rate_counts_like_the_serving_engines(self, rate: float, count: int) -> None:
        request = check_selection("evs", 1 - rate, {"pruning_rate": rate})
        assert request.expected_count((40, 5, 5)) == count

    @pytest.mark.parametrize(("budget", "count"), [(0.1, 100), (0.2, 200), (0.333, 333)])
    def test_a_budget_counts_exactly(self, budget: float, count: int) -> None:
        assert check_selection("evs", budget).expected_count((40, 5, 5)) == count

    def test_the_first_frame_counts_within_the_serving_budget(self) -> None:
        assert evs(noise(8, 8, 8), 0.25).count == 128

    def test_the_first_frame_comes_on_top_of_the_paper_budget(self) -> None:
        assert evs(noise(8, 8, 8), 0.25, rule="paper").count == 64 + 112

    @pytest.mark.parametrize("rate", [0.7, 1.0, -0.1, math.nan])
    def test_a_rate_that_disagrees_with_the_budget_is_refused(self, rate: float) -> None:
        with pytest.raises(UsageError, match="pruning_rate"):
            check_selection("evs", 0.25, {"pruning_rate": rate})

    @settings(deadline=None, max_examples=60)
    @given(t=st.integers(2, 8), n=st.integers(1, 9), budget=st.floats(0.01, 1))
    def test_the_paper_rule_is_the_interpolated_percentile(
        self, t: int, n: int, budget: float
    ) -> None:
        kept = evs(noise(t, 1, n), budget, rule="paper")
        assert kept.scores is not None
        later = kept.scores[1:].double()
        threshold = later.quantile(round(1 - budget, 12), interpolation="linear")
        above = later >= threshold - 1e-9  # the rounded share moves it by up to 1e-11
        assert torch.equal(kept.mask[1:], above)


class TestShortClips:
    def test_a_clip_that_collapses_to_its_first_frame_is_warned_about(self) -> None:
        with pytest.warns(PruneWarning, match=r"first frame .* 19 of 196 tokens .* 0\.25") as seen:
            kept = prune(tokens(4, 7, 7), "evs", budget=0.1)
        assert len(seen) == 1
        assert kept.count == kept.expected == 49
        assert kept.notes

    @pytest.mark.parametrize(("t", "budget"), [(1, 1.0), (2, 1.0), (20, 0.25)])
    def test_other_clips_are_not(self, t: int, budget: float) -> None:
        assert prune(tokens(t, 2, 2), "evs", budget=budget).notes == ()

    @pytest.mark.parametrize("rule", ["serving", "paper"])
    def test_a_single_frame_that_is_kept_whole_is_warned_about(self, rule: str) -> None:
        with pytest.warns(PruneWarning, match=r"no other.*budget 0\.1 keeps all.*more frames"):
            kept = prune(tokens(1, 3, 3), "evs", budget=0.1, rule=rule)
        assert kept.mask.all()

    def test_the_pipeline_can_ask_without_a_warning(self) -> None:
        assert len(evs(noise(4, 2, 2), 0.1).notes) == 1


class TestPixels:
    def source(self, frames: Tensor, *, chunk: int = 3, patch: int = 2) -> PixelSource:
        def chunks() -> Iterator[Tensor]:
            yield from frames.split(chunk)

        return PixelSource(chunks=chunks, temporal_patch_size=patch)

    def frames(self, count: int, height: int = 12, width: int = 16) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        size = (count, 3, height, width)
        return torch.randint(0, 256, size, generator=generator, dtype=torch.uint8)

    @pytest.mark.parametrize("count", [8, 7])
    @pytest.mark.parametrize("chunk", [1, 3, 8])
    def test_change_is_the_l1_distance_of_cells(self, count: int, chunk: int) -> None:
        frames = self.frames(count)
        whole = torch.cat([frames, frames[-1:]])[:8].double()  # an odd count repeats its last
        cells = whole.view(4, 2, 3, 3, 4, 4, 4).permute(0, 3, 5, 1, 2, 4, 6).flatten(3)
        expected = (cells[1:] - cells[:-1]).abs().mean(dim=-1) / 255
        change = pixel_change(self.source(frames, chunk=chunk), (4, 3, 4))
        assert (change[0] == 1).all()
        torch.testing.assert_close(change[1:].double(), expected, atol=1e-7, rtol=0)

    def test_selection_follows_the_pixels_not_the_embeddings(self) -> None:
        frames = self.frames(1).repeat(6, 1, 1, 1)
        frames[4:, :, 4:8, 8:12] = 255 - frames[4:, :, 4:8, 8:12]  # cell (1, 2) of patch 2
        request = check_selection("evs", 13 / 36, {"space": "rgb"})
        kept = select_tokens(request, tokens(3, 3, 4), PruneInputs(pixels=self.source(frames)))
        assert kept.mask[0].all()
        assert kept.mask[1:].nonzero().tolist() == [[1, 1, 2]]

    def test_a_chunk_that_the_source_reuses_does_not_change_the_score(self) -> None:
        frames = self.frames(8)
        buffer = torch.empty_like(frames[:2])

        def chunks() -> Iterator[Tensor]:
            for chunk in frames.split(2):
                yield buffer.copy_(chunk)

        reused = PixelSource(chunks=chunks, temporal_patch_size=2)
        expected = pixel_change(self.source(frames), (4, 3, 4))
        assert torch.equal(pixel_change(reused, (4, 3, 4)), expected)

    def test_without_pixels_it_says_what_it_needs(self) -> None:
        request = check_selection("evs", 0.5, {"space": "rgb"})
        assert request.needs == {"pixels"}
        with pytest.raises(UsageError, match="needs pixels"):
            select_tokens(request, tokens(3, 3, 4))

    @pytest.mark.parametrize(("count", "grid"), [(0, (4, 3, 4)), (6, (4, 3, 4)), (10, (4, 3, 4))])
    def test_pixels_of_another_length_are_refused(
        self, count: int, grid: tuple[int, int, int]
    ) -> None:
        with pytest.raises(UsageError, match="4x3x4"):
            pixel_change(self.source(self.frames(count)), grid)

    @pytest.mark.parametrize("grid", [(4, 5, 4), (4, 3, 5), (1, 5, 4)])
    def test_pixels_of_another_size_are_refused(self, grid: tuple[int, int, int]) -> None:
        frames = self.frames(2 * grid[0])
        with pytest.raises(UsageError, match="x".join(map(str, grid))):
            pixel_change(self.source(frames), grid)
