"""Short sketches of tokens: sums of channels with random signs, which keep distances about right.

The squared distance of two sketches is that of the tokens, give or take a share of `sqrt(2 / 128)`
(a count sketch: Charikar, Chen and Farach-Colton 2002), so that small distances stay small. Tokens
of at most 128 values are their own sketch, and what is computed from it is exact.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from evscli.pruners.ops.frames import float_chunks

WIDTH = 128
"""The values of a sketch."""


def sketches(embeds: Tensor) -> Iterator[tuple[int, int, Tensor]]:
    """Yield (start, stop, z) with z the sketches of frames start..stop-1: float32 [f, h*w, d].

    d is `WIDTH`, or D where that is less. z is valid until the next step.
    """
    width = embeds.shape[-1]
    if width <= WIDTH:
        yield from float_chunks(embeds)
        return
    signs = _signs(width).to(embeds.device)
    signed = torch.empty(0, dtype=torch.float32, device=embeds.device)
    for start, stop, x in float_chunks(embeds):
        signed = signed if signed.shape == x.shape else torch.empty_like(x)
        torch.mul(x, signs, out=signed)
        whole = functional.pad(signed, (0, -width % WIDTH)) if width % WIDTH else signed
        yield start, stop, whole.view(*x.shape[:2], -1, WIDTH).sum(dim=-2)


def _signs(width: int) -> Tensor:
    """Return the sign of every channel, alike on every machine: [width] of 1 and -1."""
    return torch.tensor(random.Random(0).choices((-1.0, 1.0), k=width))
