"""Tokens that `prune` refuses: not wrapped, without values, not finite, too large to score."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from evscli.errors import UsageError
from evscli.pruners import prune
from evscli.records import VideoTokens
from tests.pruners.videos import noise, tokens


def test_tokens_without_values_are_refused() -> None:
    with pytest.raises(UsageError, match=r"D is 0.*\[T, h, w, D\]"):
        prune(tokens(2, 2, 2, 0), "vcast", budget=0.5)


def test_embeds_that_are_not_wrapped_are_refused() -> None:
    bare: Any = torch.zeros((2, 2, 2, 8))
    with pytest.raises(UsageError, match=r"got Tensor: wrap .* VideoTokens\.from_embeds"):
        prune(bare, "vcast", budget=0.5)


class TestValues:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    @pytest.mark.parametrize("method", ["vcast", "evs", "random"])
    def test_that_are_not_finite_are_refused(
        self, method: str, value: float, dtype: torch.dtype
    ) -> None:
        embeds = noise(4, 3, 5, 16).to(dtype)
        embeds[3, 2, 4, 15] = value
        with pytest.raises(UsageError, match="NaN or infinite values: check the encoder"):
            prune(VideoTokens.from_embeds(embeds), method, budget=0.25)

    @pytest.mark.parametrize("method", ["vcast", "evs"])
    def test_whose_scores_overflow_are_refused(self, method: str) -> None:
        embeds = VideoTokens.from_embeds(noise(4, 3, 5, 16) * 1e30)
        with pytest.raises(UsageError, match=rf"too large for '{method}'.*scale"):
            prune(embeds, method, budget=0.5)

    def test_that_are_large_but_finite_do_not_count_as_infinite(self) -> None:
        embeds = torch.full((4, 3, 5, 16), torch.finfo(torch.float32).max)
        kept = prune(VideoTokens.from_embeds(embeds), "uniform-grid", budget=0.5)
        assert kept.count == 30
