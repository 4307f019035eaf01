"""The device and dtype that an encoder runs with, from the words a person gives."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

import torch

from evscli.errors import DeviceError, UsageError

AUTO = "auto"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
UNITS_SINCE = {"bfloat16": (8, 0), "float16": (7, 0)}
"""Compute capability of the first GPUs that have matrix units for a dtype."""

TOKEN_SHARE = 8
"""The part of a GPU's memory that the tokens of a video may take, one of this many."""


def resolve_device(name: str) -> torch.device:
    """Return the device of a name: `auto` (CUDA where there is some), `cpu`, `cuda` or `cuda:N`.

    Raises UsageError for another word and DeviceError for CUDA that is not there.
    """
    name = str(name)  # it may be a torch.device
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
    """Return a device for every worker: all GPUs for `auto` and `cuda`, the one named otherwise.

    With more `workers` than devices these are shared, and one process on a CPU is enough for most.
    Raises as `resolve_device` does.
    """
    kind = resolve_device(name).type
    every = name in ("auto", "cuda") and kind == "cuda"
    named = "cpu" if kind == "cpu" else name
    devices = [f"cuda:{n}" for n in range(torch.cuda.device_count())] if every else [named]
    return [devices[n % len(devices)] for n in range(workers or len(devices))]


def token_room(device: torch.device) -> int:
    """Return the bytes of tokens that may stay on a device: those of all of a video, or 0.

    It is a part of all memory, not of what is free, so that a run repeated does the same.
    """
    if device.type != "cuda":
        return 0
    return int(torch.cuda.get_device_properties(device).total_memory) // TOKEN_SHARE


def resolve_dtype(name: str, *, stored: torch.dtype) -> torch.dtype:
    """Return the dtype of a name: `auto` (as `stored`), `float32`, `bfloat16` or `float16`.

    The checkpoint's vision weights are in `stored`. Raises UsageError for another word.
    """
    if name == AUTO:
        return stored
    if name not in DTYPES:
        raise UsageError(f"dtype {name!r} is unknown; use auto, {', '.join(DTYPES)}")
    return DTYPES[name]


def arithmetic_dtype(
    name: str, *, kept: torch.dtype, device: torch.device, units: Collection[str] | None = None
) -> torch.dtype:
    """Return the dtype of the arithmetic of an encoder whose tokens are kept in `kept`.

    A dtype that a person names is both. For `auto` it is float32 where there are no units for
    `kept`: among `units`, by default those of the device.
    """
    if name != AUTO:
        return kept
    native = units_of(device) if units is None else units
    return kept if str(kept).removeprefix("torch.") in native else torch.float32


def units_of(device: torch.device) -> frozenset[str]:
    """Return the dtypes that a device has arithmetic units for, by name; it emulates the others.

    A CPU without them takes several times as long for bfloat16 as for float32.
    """
    return frozenset(name for name in DTYPES if name == "float32" or has_units(device, name))


def common_units(devices: Iterable[str]) -> frozenset[str]:
    """Return the dtypes that all devices have units for. Raises as `resolve_device` does."""
    return frozenset.intersection(*(units_of(resolve_device(name)) for name in devices))


def has_units(device: torch.device, name: str) -> bool:
    """Return whether a device has arithmetic units for bfloat16 or float16."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= UNITS_SINCE[name]
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    if name == "float16":
        return bool(torch.ops.mkldnn._is_mkldnn_fp16_supported())
    # oneDNN supports bfloat16 from AVX-512 on, and emulates it on the first processors of these.
    emulated = torch.cpu._is_avx2_supported() and not torch.cpu._is_avx512_bf16_supported()
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and not emulated
