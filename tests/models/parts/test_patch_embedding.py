"""Patches side by side are embedded as one by one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from evscli.models.parts.patch_embedding import ACROSS, embed_patches

COUNTS = (0, 1, 7, ACROSS - 1, ACROSS, 3 * ACROSS, 5 * ACROSS + 11)


@pytest.mark.parametrize("kernel", [(2, 16, 16), (2, 14, 14), (16, 16), (2, 4, 4), (2, 2)])
@pytest.mark.parametrize("width", [32, 96, 384])
def test_values_are_those_of_patches_one_by_one_to_the_last_bit(
    kernel: tuple[int, ...], width: int
) -> None:
    torch.manual_seed(0)
    kind = nn.Conv3d if len(kernel) == 3 else nn.Conv2d
    project = kind(3, width, kernel, stride=kernel)  # type: ignore[arg-type]
    patches = torch.randn(max(COUNTS), project.weight[0].numel())
    with torch.inference_mode():
        for count in COUNTS:
            some = patches[:count]
            expected = project(some.view(-1, 3, *kernel)).flatten(1)
            assert torch.equal(embed_patches(project, some), expected)


def test_bfloat16_differs_by_rounding_alone_and_gradients_pass() -> None:
    torch.manual_seed(0)
    project = nn.Conv3d(3, 64, (2, 16, 16), stride=(2, 16, 16)).bfloat16()
    patches = torch.randn(50, 1536)
    found = embed_patches(project, patches)
    expected = project(patches.bfloat16().view(-1, 3, 2, 16, 16)).flatten(1)
    torch.testing.assert_close(found, expected, atol=0.01, rtol=0.01)
    assert torch.autograd.grad(found.float().sum(), project.weight)[0].abs().sum() > 0
