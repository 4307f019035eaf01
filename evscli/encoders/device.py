"""Which device and dtype an encoder runs with, from the words a person gives."""

from __future__ import annotations

import re

import torch

from evscli.errors import DeviceError, UsageError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def resolve_device(name: str) -> torch.device:
    """`auto` (CUDA where there is some), `cpu`, `cuda` or `cuda:N`.

    Raises UsageError for another word and DeviceError for CUDA that is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        return torch.device("cpu")
    if not re.fullmatch(r"cuda(:\d+)?", name):
        raise UsageError(f"device {name!r} is unknown; use auto, cpu, cuda or cuda:N")
    if not torch.cuda.is_available():
        raise DeviceError(f"{name}: this machine has no CUDA device; use --device cpu")
    _, _, number = name.partition(":")
    index, count = int(number or torch.cuda.current_device()), torch.cuda.device_count()
    if index >= count:
        raise DeviceError(
            f"{name}: this machine has {count} CUDA device(s), counted from 0; use --device cuda:0"
        )
    return torch.device("cuda", index)


def worker_devices(name: str, workers: int | None = None) -> list[str]:
    """A device for every worker of a run: all GPUs for `auto` and `cuda`, the one named otherwise.

    With more `workers` than devices these are shared, and one process on a CPU is enough for most.
    Raises as `resolve_device` does.
    """
    kind = resolve_device(name).type
    every = name in ("auto", "cuda") and kind == "cuda"
    named = "cpu" if kind == "cpu" else name
    devices = [f"cuda:{n}" for n in range(torch.cuda.device_count())] if every else [named]
    return [devices[n % len(devices)] for n in range(workers or len(devices))]


def resolve_dtype(name: str, *, stored: torch.dtype) -> torch.dtype:
    """`auto` (as the checkpoint stores its vision weights), `float32`, `bfloat16` or `float16`.

    Raises UsageError for another word.
    """
    if name == "auto":
        return stored
    if name not in DTYPES:
        raise UsageError(f"dtype {name!r} is unknown; use auto, {', '.join(DTYPES)}")
    return DTYPES[name]
