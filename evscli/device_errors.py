"""Errors of devices: too little memory, and those after which a process cannot use its device.

An illegal memory access, or a library that fails in the middle of its work, leaves a CUDA context
in which every later call fails too. A new process has a new one. Importing this imports no torch,
without which there are no such errors.
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

from evscli.errors import DeviceError, DeviceLostError
from evscli.texts import first_line

if TYPE_CHECKING:
    import torch

_RUNTIME = re.compile(r"\b(?:CUDA|HIP)(?: driver)? error\b|\bTriton Error \[|device-side assert")
_LIBRARY = re.compile(
    r"\b(?:CUBLAS|CUDNN|CUSOLVER|CUSPARSE|HIPBLAS|MIOPEN)_?STATUS_?([A-Z_]+)", re.I
)
_BROKEN = re.compile(r"EXECUTION_FAILED|INTERNAL_ERROR|MAPPING_ERROR|NOT_INITIALIZED", re.I)
_MEMORY = re.compile(r"out of memory|STATUS_ALLOC_FAILED|DefaultCPUAllocator")


def lacks_memory(error: BaseException) -> bool:
    """Return whether an error is one of too little memory, of a device or of this machine."""
    torch = _torch()
    if isinstance(error, MemoryError) or (torch and isinstance(error, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and _MEMORY.search(str(error)) is not None


def breaks_device(error: BaseException) -> bool:
    """Return whether an error leaves this process without the use of its device.

    Errors of the runtime count whatever they are: those that would pass cost a new process. A
    matrix that cannot be factored is not one of them, though its library fails in that.
    """
    torch = _torch()
    if torch is None or not isinstance(error, RuntimeError) or lacks_memory(error):
        return False
    if isinstance(error, torch.linalg.LinAlgError):
        return False
    if library := _LIBRARY.search(str(error)):
        return _BROKEN.match(library[1]) is not None
    return isinstance(error, torch.AcceleratorError) or _RUNTIME.search(str(error)) is not None


def free_tensors(error: BaseException) -> None:
    """Clear the variables of all calls that an error has ended, so that their tensors are freed.

    Whoever keeps an error keeps its traceback, and with that the tensors of every call in it. The
    lines of the traceback stay.
    """
    cause: BaseException | None = error
    while cause is not None:
        traceback.clear_frames(cause.__traceback__)
        cause = cause.__cause__ or cause.__context__


def release_memory() -> None:
    """Give memory that no tensor uses back to the device, where there is one in use."""
    torch = _torch()
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def lost(error: BaseException, where: str) -> DeviceLostError:
    """Return the error for one that `breaks_device`, which happened at `where`."""
    reason = first_line(error)
    return DeviceLostError(
        f"{where}: the device failed ({reason}), and this process cannot use it any more; run the "
        "same command again, or use another --device",
        reason=reason,
    )


@contextmanager
def device_errors(device: torch.device, need: str, advice: str) -> Iterator[None]:
    """Turn errors of a device into a DeviceError, or a DeviceLostError after which it is lost.

    `need` is what memory is needed for, and `advice` what to do where it does not suffice.
    """
    try:
        yield
    except Exception as error:
        if breaks_device(error):
            raise lost(error, str(device)) from error
        if not lacks_memory(error):
            raise
        free_tensors(error)
        release_memory()
        raise DeviceError(f"{device} has too little memory {need}: {advice}") from error


def _torch() -> ModuleType | None:
    """Return torch where something has imported it."""
    return sys.modules.get("torch")
