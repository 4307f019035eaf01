"""The embedding of patches by a convolution whose stride is its kernel.

Such a convolution runs once on every patch. On a CPU it takes many times as long on patches one by
one as on patches side by side in a picture, and in float32 gives the same values bit for bit, with
the kernels of x86 processors. Others are not known to. Not so for bfloat16, in which units for
matrices add up in another order, nor for patches of fewer pixels than are here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from platform import machine

import torch
from torch import Tensor, nn

ACROSS = 24
"""The number of patches in a picture's row: more take no less time."""
LEAST_SIDE = 4
"""The pixels along a side of the smallest patches that are laid side by side."""
KNOWN = machine() in ("x86_64", "AMD64")
"""Whether this is a processor whose kernels are known to give the same values."""


def embed_patches(project: nn.Conv2d | nn.Conv3d, patches: Tensor) -> Tensor:
    """Run a convolution on patches [K, P], each its channels, frames, rows and columns: [K, C]."""
    given = patches.to(project.weight.dtype)
    each = given.view(-1, project.in_channels, *project.kernel_size)
    exact = KNOWN and each.dtype == torch.float32 and each.shape[-1] >= LEAST_SIDE
    if exact and len(each) and each.device.type == "cpu":
        return torch.cat([*_side_by_side(project, each)])
    embedded: Tensor = project(each)
    return embedded.flatten(1)


def _side_by_side(project: Callable[[Tensor], Tensor], each: Tensor) -> Iterator[Tensor]:
    """Yield the values of patches [K, c, ..., p, p]: of those in whole rows, and of the others."""
    whole = len(each) // ACROSS * ACROSS
    for some, across in ((each[:whole], ACROSS), (each[whole:], len(each) - whole)):
        if len(some):
            rows = some.view(-1, across, *each.shape[1:])
            pictures = rows.movedim(1, -2).flatten(-2)
            yield project(pictures).flatten(2).transpose(1, 2).flatten(0, 1)
