"""The embedding of patches by a convolution whose stride is its kernel.

Such a convolution runs once on every patch. On a CPU it takes many times as long on patches one by
one as on patches side by side in a picture. In float32 both give the same values bit for bit, with
the kernels of x86 processors. In other dtypes it depends on the kernels, and these on the sizes:
units for matrices add up in an order of their own. Patches are then laid side by side in blocks of
one size, and a first such block is compared with its patches one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from platform import machine

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv3d, pad

ACROSS = 24
"""The number of patches in a picture's row in float32: more take no less time."""
LEAST_SIDE = 4
"""The pixels along a side of the smallest patches that are laid side by side in float32."""
KNOWN = machine() in ("x86_64", "AMD64")
"""Whether this is a processor whose kernels are known to give the same values in float32."""
BLOCK = (32, 16)
"""The pictures of a block, and the patches in a picture's row, in other dtypes. Units for matrices
have 16 rows, and of fewer patches than these the kernels for patches one by one are others."""

Convolution = nn.Conv2d | nn.Conv3d


def embed_patches(project: Convolution, patches: Tensor) -> Tensor:
    """Run a convolution on patches [K, P], each its channels, frames, rows and columns: [K, C]."""
    given = patches.to(project.weight.dtype)
    each = given.view(-1, project.in_channels, *project.kernel_size)
    if len(each) and each.device.type == "cpu":
        if each.dtype == torch.float32:
            if KNOWN and each.shape[-1] >= LEAST_SIDE:
                return torch.cat([*_side_by_side(project, each)])
        elif len(each) >= BLOCK[0] * BLOCK[1] and exact_in_blocks(project):
            return _in_blocks(project, each)
    embedded: Tensor = project(each)
    return embedded.flatten(1)


def exact_in_blocks(project: Convolution) -> bool:
    """Return whether a convolution has the same values in blocks as of patches one by one."""
    weight, biased = project.weight, project.bias is not None
    return _exact_in_blocks(weight.shape, biased, weight.dtype, torch.get_num_threads())


@cache
def _exact_in_blocks(shape: torch.Size, biased: bool, dtype: torch.dtype, _threads: int) -> bool:
    """Return it for all convolutions of a shape, since they take the same kernels."""
    random = torch.Generator().manual_seed(0)
    # Each second value nearly cancels the one before it, so that the last bits of a sum, which
    # depend on its order, are large beside it.
    weight = torch.randn(shape, generator=random)
    weight[..., 1::2] = -weight[..., :-1:2]
    each = torch.randn(BLOCK[0] * BLOCK[1], *shape[1:], generator=random)
    each[..., 1::2] = each[..., :-1:2] + 0.01 * each[..., 1::2]
    weight, each = weight.to(dtype), each.to(dtype)
    bias = weight.new_zeros(len(weight)) if biased else None
    convolve = conv3d if len(shape) == 5 else conv2d
    project = partial(convolve, weight=weight, bias=bias, stride=tuple(shape[2:]))
    with torch.inference_mode():
        return torch.equal(_in_blocks(project, each), project(each).flatten(1))


def _in_blocks(project: Callable[[Tensor], Tensor], each: Tensor) -> Tensor:
    """Return the values of patches [K, c, ..., p, p], the last block filled up with zeros."""
    filled = pad(each.flatten(1), (0, 0, 0, -len(each) % (BLOCK[0] * BLOCK[1])))
    blocks = filled.view(-1, *BLOCK, *each.shape[1:])
    return torch.cat([_in_pictures(project, block) for block in blocks])[: len(each)]


def _side_by_side(project: Callable[[Tensor], Tensor], each: Tensor) -> Iterator[Tensor]:
    """Yield the values of patches [K, c, ..., p, p]: of those in whole rows, and of the others."""
    whole = len(each) // ACROSS * ACROSS
    for some, across in ((each[:whole], ACROSS), (each[whole:], len(each) - whole)):
        if len(some):
            yield _in_pictures(project, some.view(-1, across, *each.shape[1:]))


def _in_pictures(project: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """Return the values [n * a, C] of patches [n, a, c, ..., p, p], in n pictures of a patches."""
    pictures = rows.movedim(1, -2).flatten(-2)
    return project(pictures).flatten(2).transpose(1, 2).flatten(0, 1)
