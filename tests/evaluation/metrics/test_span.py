from __future__ import annotations

import pytest
import torch

from evscli.evaluation.metrics import projection_residual
from evscli.records import VideoTokens
from tests.evaluation.metrics.masks import random_mask
from tests.pruners.videos import noise, still


class TestProjectionResidual:
    def test_is_the_share_of_energy_off_the_kept_directions(self) -> None:
        embeds = torch.tensor([[5.0, 0, 0], [3, 4, 0], [0, 0, 2]]).view(3, 1, 1, 3)
        mask = torch.tensor([True, False, False]).view(3, 1, 1)
        residual = projection_residual(VideoTokens.from_embeds(embeds), mask)
        assert residual == pytest.approx((16 + 4) / (25 + 25 + 4))

    def test_is_zero_once_the_kept_tokens_span_everything(self) -> None:
        tokens, mask = VideoTokens.from_embeds(noise(4, 3, 3, 8)), torch.arange(36).view(4, 3, 3)
        assert projection_residual(tokens, mask < 8) == 0
        assert projection_residual(tokens, mask < 7) > 1e-3

    def test_counts_a_kept_token_whatever_its_length(self) -> None:
        embeds, mask = noise(4, 3, 3, 32), random_mask((4, 3, 3), 0.4)
        expected = projection_residual(VideoTokens.from_embeds(embeds), mask)
        cell = tuple(mask.nonzero()[0])
        shorter = embeds.clone()
        shorter[cell] *= 1e-7
        energy = embeds.square().sum() / shorter.square().sum()
        got = projection_residual(VideoTokens.from_embeds(shorter), mask)
        assert got == pytest.approx(expected * float(energy), rel=1e-5)

    def test_takes_rounding_of_equal_tokens_for_no_direction(self) -> None:
        embeds = still(1, 1, 1, 16).repeat(20, 1, 1, 1)
        embeds *= 1 + 1e-7 * noise(20, 1, 1, 16, seed=1)
        embeds[-1] = noise(1, 1, 1, 16, seed=2)
        mask = (torch.arange(20) < 19).view(20, 1, 1)
        got = projection_residual(VideoTokens.from_embeds(embeds), mask)
        unit = embeds[0].flatten().double() / embeds[0].double().norm()
        odd = embeds[-1].flatten().double()
        off = (odd - (odd @ unit) * unit).square().sum() / embeds.double().square().sum()
        assert got == pytest.approx(float(off), rel=1e-5)

    def test_counts_a_direction_that_kept_tokens_barely_show(self) -> None:
        embeds = torch.tensor([[1.0, 0, 0], [1, 1e-4, 0], [0, 3, 0], [0, 0, 4]]).view(4, 1, 1, 3)
        mask = (torch.arange(4) < 2).view(4, 1, 1)
        got = projection_residual(VideoTokens.from_embeds(embeds), mask)
        assert got == pytest.approx(16 / (1 + 1 + 9 + 16))

    @pytest.mark.parametrize("share", [0.0, 0.5])
    def test_of_a_video_of_zeros_is_zero(self, share: float) -> None:
        tokens = VideoTokens.from_embeds(torch.zeros((2, 3, 3, 4)))
        assert projection_residual(tokens, random_mask((2, 3, 3), share)) == 0
