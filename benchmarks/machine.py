"""One line about the machine that a benchmark ran on."""

from __future__ import annotations

import os
import platform

import av
import torch
import transformers

from evscli.provenance import processor_name


def describe_machine() -> str:
    """Processor, cores, threads and versions."""
    return (
        f"on {processor_name()}, {os.cpu_count()} cores, {torch.get_num_threads()} torch threads; "
        f"Python {platform.python_version()}, torch {torch.__version__}, "
        f"transformers {transformers.__version__}, PyAV {av.__version__}"
    )
