from __future__ import annotations

import math

import pytest
import torch

from evscli.evaluation.metrics import budget_entropy, diagnose, event_survival
from evscli.records import VideoTokens
from tests.pruners.videos import noise


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
