"""A benchmark and its report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


class SkippedError(Exception):
    """A benchmark that cannot run here. The message has the reason."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of a measurement."""

    title: str
    body: str
    """The Markdown below the heading and the line about command and machine."""
    figures: Mapping[str, float]
    """The numbers that pages quote, by names of words."""
    spread: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The least and the greatest value behind those of the figures that are medians."""
    device: str = ""
    """The name of the GPU that was measured, if it was one."""


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A script of `benchmarks/`, described by its `BENCHMARK`."""

    measure: Callable[..., Report]
    """The function that measures. Its options have the defaults of the published figures."""
    smoke: Mapping[str, Any]
    """The options with which it shows in seconds that it runs."""
    smoke_is_partial: bool = False
    """Whether `smoke` leaves out figures that pages quote."""
    code: tuple[str, ...]
    """The files of `evscli/` that the figures depend on. Changes of others do not make them old."""
    minutes: float
    """The minutes that it takes with its defaults, on two cores."""


def check_device(device: str) -> str:
    """Return a page's name for the device, "" for the CPU. Raises SkippedError without a GPU."""
    import torch

    if not device.startswith("cuda"):
        return ""
    if not torch.cuda.is_available():
        raise SkippedError(f"--device {device} needs a GPU, and torch finds none here")
    return f"On {torch.cuda.get_device_name(device)}. "
