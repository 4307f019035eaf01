"""What damaged videos do to a decoder process, done on purpose. Chosen as a request's resize."""

from __future__ import annotations

import os
import signal
import time

from torch import Tensor


def as_it_is(pixels: Tensor, _size: tuple[int, int]) -> Tensor:
    return pixels


def halve(pixels: Tensor, _size: tuple[int, int]) -> Tensor:
    return pixels / 2


def crash(pixels: Tensor, _size: tuple[int, int]) -> Tensor:
    os.kill(os.getpid(), signal.SIGSEGV)
    return pixels


def hang(_pixels: Tensor, _size: tuple[int, int]) -> Tensor:
    while True:
        time.sleep(1000)


def refuse(_pixels: Tensor, _size: tuple[int, int]) -> Tensor:
    raise ValueError("a resize that fails")
