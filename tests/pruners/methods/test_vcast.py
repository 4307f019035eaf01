from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from evscli.errors import UsageError
from evscli.pruners import PruneWarning, check_selection, prune, select_tokens
from evscli.pruners.ops.allocation import frame_budgets
from evscli.pruners.ops.outliers import curvature, curvature_shares, frame_directions_and_scores
from evscli.records import KeptTokens, OptionValue, VideoTokens
from tests.pruners.videos import noise, still, tokens


def vcast(embeds: Tensor, budget: float, **options: OptionValue) -> KeptTokens:
    request = check_selection("vcast", budget, options)
    return select_tokens(request, VideoTokens.from_embeds(embeds))


def budgets(bends: Tensor, cells: int, total: int, **options: bool | float) -> list[int]:
    arguments = {"min_k": 1, "largest_remainder": False, **options}
    weights = curvature_shares(bends, arguments.pop("tau", 0.7))
    return frame_budgets(weights, cells=cells, total=total, **arguments).tolist()  # type: ignore[arg-type]


def one_at_a_time(bends: Tensor, cells: int, total: int, tau: float, min_k: int) -> list[int]:
    """The rule of the authors' code, spelled out."""
    weights = torch.softmax(bends / tau, dim=0)
    shares = weights / weights.sum() * (total - len(bends) * min_k)
    kept = [min_k + min(int(share), cells - min_k) for share in shares]
    fractions = [float(share - share.floor()) for share in shares]
    while sum(kept) < total:
        best = max(
            (t for t in range(len(kept)) if kept[t] < cells), key=lambda t: (fractions[t], -t)
        )
        kept[best] += 1
    return kept


def dealt(bends: Tensor, cells: int, total: int, tau: float, min_k: int) -> list[int]:
    """Largest remainder, spelled out: rounds of one token to every frame with room."""
    weights = torch.softmax(bends / tau, dim=0)
    shares = weights / weights.sum() * (total - len(bends) * min_k)
    kept = [min_k + min(int(share), cells - min_k) for share in shares]
    fractions = [float(share - share.floor()) for share in shares]
    order = sorted(range(len(kept)), key=lambda t: (-fractions[t], t))
    while sum(kept) < total:
        for t in order:
            if kept[t] < cells and sum(kept) < total:
                kept[t] += 1
    return kept


@pytest.mark.parametrize("largest_remainder", [False, True])
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_frame_budgets_follow_the_rule(largest_remainder: bool, data: st.DataObject) -> None:
    bends = torch.tensor(data.draw(st.lists(st.floats(0, 2, width=32), min_size=2, max_size=12)))
    cells = data.draw(st.integers(1, 30))
    min_k = data.draw(st.integers(1, cells))
    total = data.draw(st.integers(len(bends) * min_k, len(bends) * cells))
    tau = data.draw(st.sampled_from([0.05, 0.7, 3.0]))
    rule = dealt if largest_remainder else one_at_a_time
    expected = rule(bends, cells, total, tau, min_k)
    options = {"tau": tau, "min_k": min_k, "largest_remainder": largest_remainder}
    assert budgets(bends, cells, total, **options) == expected


def test_one_frame_takes_what_rounding_left_over() -> None:
    even = torch.ones(5)
    assert budgets(even, 20, 5 + 14) == [1 + 2 + 4, 3, 3, 3, 3]
    assert budgets(even, 20, 5 + 14, largest_remainder=True) == [4, 4, 4, 4, 3]


def test_a_full_frame_passes_the_rest_on() -> None:
    assert budgets(torch.ones(5), 4, 5 + 14) == [4, 4, 4, 4, 3]


def test_curvature_of_a_straight_a_right_angled_and_a_returning_path() -> None:
    x, y = torch.eye(2)
    path = torch.stack([0 * x, x, 2 * x, 2 * x + y, 2 * x])
    assert curvature(path).tolist() == [1, 0, 1, 2, 1]


def test_a_path_that_stands_still_has_curvature_one() -> None:
    assert curvature(torch.ones(4, 3)).tolist() == [1, 1, 1, 1]
    assert curvature(torch.ones(2, 3)).tolist() == [1, 1]
    assert curvature(torch.ones(1, 3)).tolist() == [1]


def test_the_score_is_unlikeness_to_the_frame_plus_rescaled_norm() -> None:
    embeds = noise(5, 3, 4, 16)
    x = embeds.double().flatten(1, 2)
    directions = functional.normalize(x.mean(dim=1), dim=-1)
    norms = x.norm(dim=-1)
    low, high = norms.amin(1, keepdim=True), norms.amax(1, keepdim=True)
    expected = 1 - functional.cosine_similarity(x, directions[:, None], dim=-1)
    expected += (norms - low) / (high - low + 1e-6)
    got_directions, scores = frame_directions_and_scores(embeds)
    torch.testing.assert_close(got_directions.double(), directions, atol=1e-6, rtol=0)
    torch.testing.assert_close(scores.double(), expected, atol=1e-5, rtol=0)


@settings(deadline=None, max_examples=40)
@given(
    t=st.integers(1, 9),
    n=st.integers(1, 9),
    budget=st.floats(0.01, 1),
    min_k=st.integers(1, 12),
)
def test_every_frame_keeps_the_least_asked_for(t: int, n: int, budget: float, min_k: int) -> None:
    kept = vcast(noise(t, 1, n), budget, min_k=min_k)
    assert (kept.mask.flatten(1).sum(dim=1) >= min(min_k, n)).all()


def test_a_budget_below_one_token_a_frame_keeps_one_a_frame() -> None:
    kept = vcast(noise(10, 4, 4), 0.01)
    assert kept.mask.flatten(1).sum(dim=1).tolist() == [1] * 10
    assert kept.expected == 10


def test_the_count_is_rounded_halves_to_even() -> None:
    assert check_selection("vcast", 0.5).expected_count((3, 1, 3)) == 4
    assert check_selection("vcast", 0.5).expected_count((5, 1, 3)) == 8


def test_two_frames_share_alike() -> None:
    assert vcast(noise(2, 4, 4), 0.5).mask.flatten(1).sum(dim=1).tolist() == [8, 8]


def test_a_still_video_ties_to_the_earlier_cells() -> None:
    mask = vcast(torch.ones((3, 2, 4, 8)), 0.5).mask.flatten(1)
    assert mask.tolist() == [[True] * 4 + [False] * 4] * 3


def test_a_still_video_keeps_the_same_cells_of_every_frame() -> None:
    mask = vcast(still(4, 3, 3), 1 / 3).mask
    assert (mask == mask[0]).all()


def test_the_frame_where_the_video_turns_back_keeps_most() -> None:
    direction = noise(1, 1, 1, 16, seed=1)
    away = torch.tensor([0.0, 1, 2, 3, 2, 1, 0])
    embeds = noise(1, 4, 4, 16) + away.view(7, 1, 1, 1) * direction
    counts = vcast(embeds, 0.3).mask.flatten(1).sum(dim=1)
    assert counts.argmax() == 3


class TestASingleFrame:
    def test_is_kept_whole_and_said_so(self) -> None:
        with pytest.warns(PruneWarning, match=r"single temporal patch.*0\.25"):
            kept = prune(tokens(1, 3, 3), "vcast", budget=0.25)
        assert kept.mask.all()
        assert kept.expected == 9

    def test_needs_no_warning_where_all_was_wanted(self) -> None:
        assert prune(tokens(1, 3, 3), "vcast", budget=1.0).notes == ()


class TestTheLeastOfAFrame:
    @pytest.mark.parametrize(
        ("budget", "min_k", "words"),
        [
            (
                0.3,
                100000,
                r"15 of 15 tokens of each.*60 of 60 tokens.*0\.3 asks for 18; lower",
            ),
            (0.3, 5, r"5 of 15 tokens of each.*20 of 60 tokens.*0\.3 asks for 18; lower"),
            (0.03, 1, r"1 of 15 tokens of each.*4 of 60 tokens.*0\.03 asks for 2; sample fewer"),
        ],
    )
    def test_is_told_where_it_exceeds_the_budget(
        self, budget: float, min_k: int, words: str
    ) -> None:
        with pytest.warns(PruneWarning, match=words) as seen:
            kept = prune(tokens(4, 3, 5), "vcast", budget=budget, min_k=min_k)
        assert len(seen) == 1
        assert kept.count == kept.expected > round(60 * budget)

    @pytest.mark.parametrize(("budget", "min_k"), [(0.3, 4), (1.0, 100000), (4 / 60, 1)])
    def test_is_not_where_the_budget_has_room(self, budget: float, min_k: int) -> None:
        assert prune(tokens(4, 3, 5), "vcast", budget=budget, min_k=min_k).notes == ()

    def test_leaves_a_single_frame_to_its_own_note(self) -> None:
        assert len(vcast(noise(1, 3, 5), 0.3, min_k=100000).notes) == 1


@pytest.mark.parametrize(
    ("options", "words"), [({"tau": 0}, "tau"), ({"tau": -1}, "-1"), ({"min_k": 0}, "min_k")]
)
def test_options_that_mean_nothing_are_refused(options: dict[str, int], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_selection("vcast", 0.5, options)
