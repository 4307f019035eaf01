"""One line about the machine that a benchmark ran on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import av
import torch
import transformers


def describe_machine() -> str:
    """Processor, cores, threads and versions."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((x.split(":")[1].strip() for x in lines if "model name" in x), "unknown")
    return (
        f"on {processor}, {os.cpu_count()} cores, {torch.get_num_threads()} torch threads; "
        f"Python {platform.python_version()}, torch {torch.__version__}, "
        f"transformers {transformers.__version__}, PyAV {av.__version__}"
    )
