"""What a benchmark is, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


class SkippedError(Exception):
    """A benchmark cannot run here; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was measured."""

    title: str
    body: str
    """Markdown that comes under the heading and the line about command and machine."""
    figures: Mapping[str, float]
    """Every number that a page quotes, by a name of words."""


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A script of `benchmarks/`, as its `BENCHMARK` says."""

    measure: Callable[..., Report]
    """Takes options by name. Their defaults are those of the published figures."""
    smoke: Mapping[str, Any]
    """Options with which it only shows that it runs, in seconds."""
    smoke_is_partial: bool = False
    """Whether that leaves out figures which pages quote."""
    code: tuple[str, ...]
    """Files of `evscli/` that the figures stand and fall with; others may change without notice."""
    minutes: float
    """What it takes with its defaults, on two cores."""


def check_device(device: str) -> str:
    """What a page calls the device, "" for the CPU. Raises SkippedError where there is none."""
    import torch

    if not device.startswith("cuda"):
        return ""
    if not torch.cuda.is_available():
        raise SkippedError(f"--device {device} needs a GPU, and torch finds none here")
    return f"On {torch.cuda.get_device_name(device)}. "
