"""Patches side by side are embedded as one by one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from evscli.models.parts.patch_embedding import ACROSS, embed_patches

COUNTS = (0, 1, 7, ACROSS - 1, ACROSS, 3 * ACROSS, 5 * ACROSS + 11)


@pytest.mark.parametrize("kernel", [(2, 16, 16), (2, 14, 14), (16, 16), (2, 4, 4)])
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


@pytest.mark.parametrize("kernel", [(2, 16, 16), (2, 2)])
def test_bfloat16_and_small_patches_are_embedded_one_by_one(kernel: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    kind = nn.Conv3d if len(kernel) == 3 else nn.Conv2d
    project = kind(3, 64, kernel, stride=kernel)  # type: ignore[arg-type]
    project = project.bfloat16() if len(kernel) == 3 else project
    patches = torch.randn(50, project.weight[0].numel())
    expected = project(patches.to(project.weight.dtype).view(-1, 3, *kernel)).flatten(1)
    assert torch.equal(embed_patches(project, patches), expected)


def test_gradients_pass() -> None:
    project = nn.Conv3d(3, 64, (2, 16, 16), stride=(2, 16, 16))
    found = embed_patches(project, torch.randn(50, 1536)).sum()
    assert torch.autograd.grad(found, project.weight)[0].abs().sum() > 0
