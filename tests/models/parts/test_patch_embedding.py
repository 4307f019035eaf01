"""Patches side by side are embedded as one by one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv3d

from evscli.models.parts import patch_embedding
from evscli.models.parts.patch_embedding import ACROSS, BLOCK, embed_patches

SIZE = prod(BLOCK)
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


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kernel", [(2, 16, 16), (14, 14), (2, 4, 4)])
@pytest.mark.parametrize("biased", [True, False])
def test_values_in_blocks_are_those_of_patches_one_by_one_in_other_dtypes(
    dtype: torch.dtype, kernel: tuple[int, ...], biased: bool
) -> None:
    torch.manual_seed(0)
    kind = nn.Conv3d if len(kernel) == 3 else nn.Conv2d
    project = kind(3, 64, kernel, stride=kernel, bias=biased).to(dtype)  # type: ignore[arg-type]
    patches = torch.randn(2 * SIZE + 3, project.weight[0].numel())
    with torch.inference_mode():
        for count in (0, 1, SIZE - 1, SIZE, SIZE + 1, len(patches)):
            some = patches[:count]
            expected = project(some.to(dtype).view(-1, 3, *kernel)).flatten(1)
            assert torch.equal(embed_patches(project, some), expected), count


def other_order(pictures: Tensor, weight: Tensor, bias: Tensor, stride: tuple[int, ...]) -> Tensor:
    """Return the values of a convolution, in pictures of several patches summed from the end."""
    if pictures.shape[-1] > weight.shape[-1]:
        pictures, weight = pictures.flip(1), weight.flip(1)
    return conv3d(pictures, weight, bias, stride=stride)


@pytest.mark.parametrize(("kernels", "calls"), [(conv3d, 3), (other_order, 1)])
def test_patches_share_pictures_only_where_a_first_block_has_the_same_values(
    kernels: Callable[..., Tensor], calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plainly = partial(kernels_in_order, kernels)
    monkeypatch.setattr(patch_embedding, "conv3d", plainly)
    patch_embedding._exact_in_blocks.cache_clear()
    project = nn.Conv3d(3, 64, (2, 4, 4), stride=(2, 4, 4)).bfloat16()
    before, seen = torch.get_rng_state(), list[torch.Size]()
    project.register_forward_hook(lambda _, given, __: seen.append(given[0].shape))
    embed_patches(project, torch.randn(2 * SIZE + 1, 96, generator=torch.Generator()))
    patch_embedding._exact_in_blocks.cache_clear()
    assert len(seen) == calls
    assert torch.equal(torch.get_rng_state(), before)


def kernels_in_order(kernels: Callable[..., Tensor], pictures: Tensor, **given: Any) -> Tensor:
    """Return the values of a convolution as if each were summed plainly, in float32."""
    apart = {name: value.float() for name, value in given.items() if isinstance(value, Tensor)}
    return kernels(pictures.float(), **(given | apart)).to(pictures.dtype)


def test_small_patches_are_embedded_one_by_one_in_float32() -> None:
    project = nn.Conv2d(3, 64, (2, 2), stride=(2, 2))
    patches = torch.randn(50, 12, generator=torch.Generator().manual_seed(0))
    expected = project(patches.view(-1, 3, 2, 2)).flatten(1)
    assert torch.equal(embed_patches(project, patches), expected)


def test_gradients_pass() -> None:
    project = nn.Conv3d(3, 64, (2, 16, 16), stride=(2, 16, 16))
    found = embed_patches(project, torch.randn(50, 1536)).sum()
    assert torch.autograd.grad(found, project.weight)[0].abs().sum() > 0
