"""Tensors that outgrow memory: the same tensor type, backed by an unlinked file.

A long video's tokens reach gigabytes. They stay in memory where enough of it is free. Pages of a
shared file mapping can be written back and dropped by the kernel, so they do not count as anonymous
memory; the file has no name any more, so a killed run leaves nothing behind.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

from evscli.memory import free_memory

IN_MEMORY_BYTES = 64 << 20
"""Tensors up to this size stay in memory, whatever is free."""

SHARE = 8
"""A larger tensor stays in memory where it takes one of this many parts of what is free."""

_workers = 1


def share_memory(workers: int) -> None:
    """Divide the memory of this machine among `workers` processes, of which this is one."""
    global _workers
    _workers = workers


def scratch_folder() -> Path:
    """Return the folder of scratch files: $TMPDIR or else /var/tmp, as /tmp may be in memory."""
    return Path(os.environ.get("TMPDIR") or "/var/tmp")


def fits_memory(size: int) -> bool:
    """Return whether a tensor of `size` bytes stays in memory.

    All workers may allocate at once, and memory counts as used only once it is written, so each
    takes a part of its share at a time.
    """
    free = 0 if size <= IN_MEMORY_BYTES else free_memory() or 0
    return size <= max(IN_MEMORY_BYTES, free // (SHARE * _workers))


def allocate(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Allocate an uninitialised CPU tensor, in memory or backed by a file, by `fits_memory`.

    The file lies in `scratch_folder()`. Raises OSError where the disk is full.
    """
    import torch  # whoever only asks for the folder needs none

    if fits_memory(prod(shape) * dtype.itemsize):
        return torch.empty(tuple(shape), dtype=dtype)
    handle, name = tempfile.mkstemp(prefix=".evs-scratch-", dir=scratch_folder())
    try:
        # Reserve the blocks now: on a full disk this raises OSError, where a later write to a
        # sparse mapping would kill the process.
        os.posix_fallocate(handle, 0, prod(shape) * dtype.itemsize)
        flat = torch.from_file(name, shared=True, size=prod(shape), dtype=dtype)
    finally:
        os.close(handle)
        Path(name).unlink()
    return flat.view(tuple(shape))
