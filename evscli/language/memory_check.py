"""Is there room for a checkpoint's whole model? Looks at files and memory, and loads nothing."""

from __future__ import annotations

import torch

from evscli.encoders.device import resolve_device
from evscli.encoders.files import INDEX, SINGLE, ModelFiles, find_model, weight_map
from evscli.errors import DeviceError, ModelError
from evscli.memory import free_memory

BESIDE = 1.2
"""Memory that a prefill takes, weights being 1."""


def check_memory(model: str | ModelFiles, *, device: str, dtype: str) -> None:
    """Raise ModelError for weights that are not on this machine, DeviceError for too little memory.

    The `device` and `dtype` are those of `load_language_model`, which first loads into main memory.
    """
    files = find_model(model)
    # Checkpoints mostly hold 16 bits a value; what they do hold shows only when they are read.
    need = int(BESIDE * weight_bytes(files) * (2 if dtype == "float32" else 1))
    target = resolve_device(device)
    room = {"main memory": free_memory()}
    if target.type == "cuda":
        torch.cuda.empty_cache()
        room[str(target)] = torch.cuda.mem_get_info(target)[0]
    for where, free in room.items():
        if free is not None and free < need:
            raise DeviceError(
                f"{files.name} needs about {need / 1e9:.3g} GB and {free / 1e9:.3g} GB of {where} "
                "are free: try one video on a larger machine"
            )


def weight_bytes(files: ModelFiles) -> int:
    """Return the bytes of all weights of a checkpoint; nothing is fetched. Raises ModelError."""
    index = files.get(INDEX)
    names = {SINGLE} if index is None else set(weight_map(index, model=files.name).values())
    held = [path for name in sorted(names) if (path := files.held(name))]
    if len(held) < len(names):
        raise ModelError(
            f"{len(names) - len(held)} of {len(names)} weight files of {files.name} are not on "
            f"this machine: get them with hf download {files.name}"
        )
    return sum(path.stat().st_size for path in held)
