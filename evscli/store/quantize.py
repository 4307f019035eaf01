"""The conversion of tokens to a narrower dtype, and back. docs/format.md is the norm.

bfloat16 and float16 are casts. float8 and int8 are symmetric, with one scale per token and plane.
Blocks of rows are worked on one at a time, so that a long video needs no second copy in float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import torch
from torch import Tensor

from evscli.errors import VideoError
from evscli.records import PrunedVideo, VideoInfo
from evscli.scratch import allocate

TOKENS = ("embeds", "deepstack")
"""The tensors of a video that are made narrow."""

BLOCK_VALUES = 1 << 18
"""The number of values worked on at a time: 1 MiB in float32."""

SMALLEST_SCALE = torch.finfo(torch.float32).tiny
"""The smallest scale in use: smaller ones would have fewer digits."""

STORE_DTYPES = {
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float8": torch.float8_e4m3fn,
    "int8": torch.int8,
}

LARGEST = {torch.float8_e4m3fn: 448.0, torch.int8: 127.0}
"""The value that the largest of a row becomes, for dtypes whose rows have scales."""


def quantized(record: PrunedVideo) -> tuple[VideoInfo, dict[str, Tensor]]:
    """Return the description, with the loss measured, and the tensors that a shard will hold.

    Raises VideoError with `stage` write where a value is not finite, or beyond what the store's
    dtype holds; OSError where the disk is too full for scratch files.
    """
    tensors, name = record.tensors(), record.info.store_dtype
    if name is None:
        return record.info, tensors
    computed, loss = getattr(torch, record.info.model.dtype), _Loss()
    for key in TOKENS:
        if key in tensors:
            values = tensors[key]
            kept, scale = _quantize(values, STORE_DTYPES[name], computed, loss)
            if not loss.finite:
                raise _beyond(record.id, values, name)
            tensors |= {key: kept} if scale is None else {key: kept, f"{key}_scale": scale}
    rms, worst = loss.numbers()
    return replace(record.info, store_rms_error=rms, store_max_error=worst), tensors


def widened(info: VideoInfo, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a record's tensors from a shard's, tokens in the dtype they were computed in."""
    if info.store_dtype is None:
        return dict(tensors)
    computed = getattr(torch, info.model.dtype)
    values = dict(tensors)
    for key in TOKENS:
        if key in tensors:
            wide = torch.empty(tensors[key].shape, dtype=computed)
            scale = values.pop(f"{key}_scale", None)
            for place in _blocks(wide.shape):
                part = None if scale is None else scale[place]
                wide[place] = _widen(tensors[key][place], part)
            values[key] = wide
    return values


def _quantize(
    values: Tensor, to: torch.dtype, computed: torch.dtype, loss: _Loss
) -> tuple[Tensor, Tensor | None]:
    """Return `values` [..., D] in a narrower dtype, and scales [...] where it has them."""
    kept = allocate(values.shape, to)
    scales = torch.empty(values.shape[:-1]) if to in LARGEST else None
    for place in _blocks(values.shape):
        wide, scale = values[place].float(), None
        if scales is None:
            kept[place] = wide
        else:
            scale = scales[place] = _scales(wide, LARGEST[to])
            kept[place] = _scaled(wide, scale, to)
        loss.add(wide, _widen(kept[place], scale).to(computed))
    return kept, scales


def _scales(wide: Tensor, largest: float) -> Tensor:
    """Return scales [rows] that take each row's largest value to `largest`; 1 for zeros."""
    top = wide.abs().amax(-1)
    return torch.where(top == 0, 1.0, (top / largest).clamp(min=SMALLEST_SCALE))


def _scaled(wide: Tensor, scale: Tensor, to: torch.dtype) -> Tensor:
    """Return `wide / scale` [rows, D] rounded to the nearest value, ties to even."""
    quotient = wide / scale[..., None]
    if not to.is_floating_point:
        quotient.round_()
    return quotient.clamp_(-LARGEST[to], LARGEST[to]).to(to)


def _widen(narrow: Tensor, scale: Tensor | None) -> Tensor:
    """Return the values of `narrow` in float32, multiplied by `scale` where there is one."""
    wide = from_float8(narrow) if narrow.dtype == torch.float8_e4m3fn else narrow.float()
    return wide if scale is None else wide.mul_(scale[..., None])


def from_float8(values: Tensor) -> Tensor:
    """Return `values.float()` of float8_e4m3fn without NaN, faster than torch does on a CPU.

    The bits are those of a float16 whose exponent is 8 too small.
    """
    halves = values.view(torch.int8).to(torch.int16).bitwise_left_shift_(7)
    return halves.bitwise_and_(~0x4000).view(torch.float16).float().mul_(2.0**8)


def _blocks(shape: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    """Yield the indices of blocks of whole rows in a tensor [..., K, D]."""
    *planes, rows, width = shape
    step = max(1, BLOCK_VALUES // max(1, width))
    for plane in product(*map(range, planes)):
        for start in range(0, rows, step):
            yield (*plane, slice(start, start + step))


class _Loss:
    """The sums of what is lost, row by row."""

    def __init__(self) -> None:
        self.finite = True
        self._error = self._values = self._worst = 0.0

    def add(self, wide: Tensor, again: Tensor) -> None:
        """Compare rows in float32 with the values that a reader gets for them."""
        norms, errors = _norms(wide), _norms(wide - again)
        self.finite = self.finite and bool(errors.isfinite().all())
        self._values += float(norms.square().sum())
        self._error += float(errors.square().sum())
        shares = torch.where(norms > 0, errors / norms, 0.0)
        self._worst = max(self._worst, float(shares.max()) if len(shares) else 0.0)

    def numbers(self) -> tuple[float, float]:
        """Return the relative error of all values and of the worst row, to three digits.

        There are only three, because sums in another order end in other digits, and the description
        must not.
        """
        rms = (self._error / self._values) ** 0.5 if self._values else 0.0
        return float(f"{rms:.3g}"), float(f"{self._worst:.3g}")


def _norms(rows: Tensor) -> Tensor:
    """Return the Euclidean norm of every row in float64; infinite or NaN where a value is."""
    norms: Tensor = torch.linalg.vector_norm(rows, dim=-1)
    if not norms.isfinite().all():  # squares above 1e38 overflow too
        norms = torch.linalg.vector_norm(rows, dim=-1, dtype=torch.float64)
    return norms.double()


def _beyond(video_id: str, values: Tensor, name: str) -> VideoError:
    top = max((float(values[place].abs().amax()) for place in _blocks(values.shape)), default=0.0)
    what, advice = f"values up to {top:,.0f}, beyond what {name} holds", "--store-dtype bfloat16"
    if not top < float("inf"):
        what, advice = "values that are not finite", "--dtype float32"
    return VideoError(f"video {video_id!r} has {what}: prune it with {advice}", stage="write")
