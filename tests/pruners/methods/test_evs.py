from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from evscli.errors import UsageError
from evscli.pruners import PruneWarning, check_selection, prune, select_tokens
from evscli.records import KeptTokens, OptionValue, PruneInputs, VideoTokens
from tests.pruners.videos import noise, pictures, source, still, tokens


def evs(embeds: Tensor, budget: float, **options: OptionValue) -> KeptTokens:
    return select_tokens(check_selection("evs", budget, options), VideoTokens.from_embeds(embeds))


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
        with pytest.warns(
            PruneWarning, match=r"first frame .* 49 of 196 tokens.* allows 19; .* 0\.25"
        ) as seen:
            kept = prune(tokens(4, 7, 7), "evs", budget=0.1)
        assert len(seen) == 1
        assert kept.count == kept.expected == 49
        assert kept.notes

    @pytest.mark.parametrize(("t", "budget"), [(1, 1.0), (2, 1.0), (20, 0.25)])
    def test_other_clips_are_not(self, t: int, budget: float) -> None:
        assert prune(tokens(t, 2, 2), "evs", budget=budget).notes == ()

    @pytest.mark.parametrize("rule", ["serving", "paper"])
    def test_a_single_frame_that_is_kept_whole_is_warned_about(self, rule: str) -> None:
        with pytest.warns(
            PruneWarning, match=r"first frame is kept whole.* 0\.1 allows 0; sample more"
        ):
            kept = prune(tokens(1, 3, 3), "evs", budget=0.1, rule=rule)
        assert kept.mask.all()

    def test_the_pipeline_can_ask_without_a_warning(self) -> None:
        assert len(evs(noise(4, 2, 2), 0.1).notes) == 1


class TestWindow:
    def test_it_sees_movement_as_no_change(self) -> None:
        embeds = noise(1, 4, 6, 16).expand(3, -1, -1, -1).clone()
        embeds[1, :, 1:] = embeds[0, :, :-1]
        embeds[2] = embeds[1]
        embeds[2, 3, 3] = 1 - embeds[2, 3, 3]
        kept = prune(VideoTokens.from_embeds(embeds), "evs", budget=25 / 72, window=1)
        assert kept.mask[1:].nonzero().tolist() == [[1, 3, 3]]

    def test_among_pixels_it_is_refused(self) -> None:
        with pytest.raises(UsageError, match="leave space=rgb out"):
            check_selection("evs", 0.5, {"space": "rgb", "window": 1})

    def test_stores_without_it_keep_their_settings(self) -> None:
        assert check_selection("evs", 0.5).options == {"rule": "serving", "space": "embedding"}


class TestPixels:
    def test_selection_follows_the_pixels_not_the_embeddings(self) -> None:
        frames = pictures(1).repeat(6, 1, 1, 1)
        frames[4:, :, 4:8, 8:12] = 255 - frames[4:, :, 4:8, 8:12]  # cell (1, 2) of patch 2
        request = check_selection("evs", 13 / 36, {"space": "rgb"})
        kept = select_tokens(request, tokens(3, 3, 4), PruneInputs(pixels=source(frames)))
        assert kept.mask[0].all()
        assert kept.mask[1:].nonzero().tolist() == [[1, 1, 2]]

    def test_without_pixels_it_says_what_it_needs(self) -> None:
        request = check_selection("evs", 0.5, {"space": "rgb"})
        assert request.needs == {"pixels"}
        with pytest.raises(UsageError, match="needs pixels"):
            select_tokens(request, tokens(3, 3, 4))
