"""The origin of tensors: the source file, and the machine and versions that made them."""

from __future__ import annotations

import hashlib
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from evscli.records import SourceInfo, VideoInput

PACKAGES = ("evscli", "torch", "transformers", "av", "safetensors", "numpy")


def source_info(video: VideoInput, path: Path | None = None) -> SourceInfo:
    """Return size and sha256 of a video's file, and its path below the input root. Raises OSError.

    `path` is a copy of the video, given where the video is not a local file of its own.
    """
    size, digest = file_digest(path or video.path)
    return SourceInfo(path=video.relative, size=size, sha256=digest)


def file_digest(path: Path) -> tuple[int, str]:
    """Return the size in bytes and the sha256 of a file. Raises OSError."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return os.fstat(file.fileno()).st_size, digest


def provenance(*, device: str) -> dict[str, Any]:
    """Return what tensors depend on beside the settings: versions, device and threads."""
    import torch  # decoder processes, which ask for sources alone, may have none

    return {
        "versions": {name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "device": device,
        "device_name": device_name(device),
        "threads": torch.get_num_threads(),
    }


def device_name(device: str) -> str:
    """Return the name of the model of a device, `cpu` or `cuda:N`."""
    if not device.startswith("cuda"):
        return processor_name()
    import torch

    return torch.cuda.get_device_name(device)


def processor_name() -> str:
    """Return the name that the system gives the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
