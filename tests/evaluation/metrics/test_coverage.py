from __future__ import annotations

import math
from unittest.mock import patch

import pytest
import torch

from evscli.evaluation.metrics import (
    coverage,
    diagnose,
    facility_location,
    k_center_radius,
    nearest_cosine,
    rows,
)
from evscli.records import VideoTokens
from tests.evaluation.metrics.masks import random_mask
from tests.pruners.videos import noise, still


class TestNearestCosine:
    def test_of_known_directions(self) -> None:
        embeds = torch.tensor([[3.0, 0], [1, 1], [-2, 0], [0, 7]]).view(2, 1, 2, 2)
        mask = torch.tensor([True, False, False, False]).view(2, 1, 2)
        tokens = VideoTokens.from_embeds(embeds)
        expected = torch.tensor([1, math.sqrt(0.5), -1, 0]).view(2, 1, 2)
        nearest = nearest_cosine(tokens, mask)
        torch.testing.assert_close(nearest, expected, atol=1e-6, rtol=0)
        assert nearest.dtype == torch.float32
        assert k_center_radius(tokens, mask) == 2
        assert facility_location(tokens, mask) == pytest.approx(math.sqrt(0.5) / 4, abs=1e-6)

    def test_of_a_zero_vector_is_one_to_another_and_zero_to_the_rest(self) -> None:
        embeds = torch.tensor([[0.0, 0], [0, 0], [1, 0]]).view(1, 1, 3, 2)
        tokens = VideoTokens.from_embeds(embeds)
        zero_kept = nearest_cosine(tokens, torch.tensor([[[True, False, False]]]))
        other_kept = nearest_cosine(tokens, torch.tensor([[[False, False, True]]]))
        assert zero_kept.flatten().tolist() == [1, 1, 0]
        assert other_kept.flatten().tolist() == [0, 0, 1]

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_does_not_depend_on_lengths_that_are_extreme(self, dtype: torch.dtype) -> None:
        embeds, mask = noise(4, 3, 3, 16).to(dtype), random_mask((4, 3, 3), 0.3)
        lengths = 10.0 ** torch.arange(-36, 36, 2).view(4, 3, 3, 1)
        scaled = VideoTokens.from_embeds((embeds.double() * lengths).to(dtype))
        expected = nearest_cosine(VideoTokens.from_embeds(embeds), mask)
        tolerance = 1e-6 if dtype == torch.float32 else 1e-2
        torch.testing.assert_close(nearest_cosine(scaled, mask), expected, atol=tolerance, rtol=0)

    def test_of_copies_of_kept_tokens_is_one_and_no_more(self) -> None:
        tokens = VideoTokens.from_embeds(still(5, 4, 4, 48))
        mask = torch.zeros((5, 4, 4), dtype=torch.bool)
        mask[2] = True
        nearest = nearest_cosine(tokens, mask)
        assert 1 - 1e-6 < nearest.min() <= nearest.max() == 1

    def test_multiplies_no_more_than_a_block_by_a_block(self) -> None:
        mask = random_mask((5, 4, 4), 0.5)
        with (
            patch.object(rows, "ROWS_AT_ONCE", 7),
            patch.object(coverage, "_products", wraps=coverage._products) as products,
        ):
            nearest_cosine(VideoTokens.from_embeds(noise(5, 4, 4)), mask)
        assert max(len(factor) for call in products.call_args_list for factor in call.args) == 7

    def test_is_in_float32_even_within_autocast(self) -> None:
        tokens, mask = VideoTokens.from_embeds(noise(4, 3, 3, 64)), random_mask((4, 3, 3), 0.3)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            narrow = diagnose(tokens, mask)
        assert narrow == diagnose(tokens, mask)
