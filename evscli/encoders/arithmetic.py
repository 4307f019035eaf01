"""The arithmetic of encoders and methods on GPUs: whole float32, where a GPU would shorten it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

WHOLE = "ieee"
"""The name of torch for float32 products of which no bits are dropped."""


def shortened() -> tuple[Any, Any]:
    """Return the settings of torch by which float32 products and convolutions may be TF32."""
    cudnn: Any = torch.backends.cudnn
    return torch.backends.cuda.matmul, cudnn.conv


@contextmanager
def whole_float32() -> Iterator[None]:
    """Have GPUs compute float32 in whole here, and restore what torch was set to.

    TF32 keeps 10 bits of the fraction of a factor. torch uses it for convolutions by default, and
    cutting a frame into patches is one. Other threads of the process are affected too.
    """
    before = [setting.fp32_precision for setting in shortened()]
    try:
        for setting in shortened():
            setting.fp32_precision = WHOLE
        yield
    finally:
        for setting, value in zip(shortened(), before, strict=True):
            setting.fp32_precision = value


@contextmanager
def computing() -> Iterator[None]:
    """Compute in inference mode, with whole float32. A generator must not yield in it."""
    with torch.inference_mode(), whole_float32():
        yield
