"""The position ids of a video's cells in an Omni thinker, and the seconds between them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from evscli.models.parts.times import tokens_per_second
from evscli.records import PrunedVideo


def cell_ids(record: PrunedVideo, times: Sequence[float], *, dtype: torch.dtype) -> Tensor:
    """Return the ids (t, h, w) of all cells, [3, T*h*w] from 0, kept or not."""
    _, h, w = record.info.grid_thw
    temporal = temporal_ids(times, tokens_per_second(record.info))
    axes = (temporal.to(dtype), torch.arange(h, dtype=dtype), torch.arange(w, dtype=dtype))
    return torch.stack(torch.meshgrid(*axes, indexing="ij")).flatten(1)


def temporal_ids(times: Sequence[float], rate: float) -> Tensor:
    """Return the temporal ids [T] of patches at even `times` from 0, `rate` of them in a second.

    They may be fractions. They are multiplied in float32, as in `get_rope_index` of transformers.
    """
    return torch.arange(len(times)) * torch.tensor(seconds_apart(times)) * rate


def seconds_apart(times: Sequence[float]) -> float:
    """Return the seconds between temporal patches at even `times` from 0; 0 for a single one."""
    return times[1] if len(times) > 1 else 0.0
