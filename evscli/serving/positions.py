"""Position ids of a prompt in which videos have fewer tokens than cells.

They are those of the whole prompt, sliced to what was kept: a text token takes one position, and a
run of visual tokens its `advance`, however many of them were kept (multimodal RoPE, arXiv
2409.12191, section 2.1). All numbers are integers; none goes through the dtype of embeddings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """Visual tokens that stand side by side in a prompt."""

    start: int
    """The place of the first in the prompt."""
    offsets: Ids
    """[3, K] position ids (t, h, w), relative to those of the run."""
    advance: int
    """The positions that the run takes up."""


def place_runs(length: int, runs: Iterable[Run]) -> tuple[Ids, int]:
    """Return the position ids [3, `length`] of a prompt, and what a generated token adds.

    `runs` are in the order of the prompt. Token number n, counted from 0, of what is generated has
    the position n + `length` + the second value.
    """
    ids = np.zeros((3, length), dtype=np.int64)
    at = position = 0
    for run in runs:
        text = run.start - at
        ids[:, at : run.start] = np.arange(text) + position
        position += text
        at = run.start + run.offsets.shape[1]
        ids[:, run.start : at] = run.offsets + position
        position += run.advance
    ids[:, at:] = np.arange(length - at) + position
    return ids, position - at


def framewise(mask: npt.NDArray[np.bool_]) -> list[tuple[Ids, int]]:
    """Return offsets and advance of each temporal patch of `mask [T, h, w]`, a run of its own."""
    advance = max(mask.shape[1:])
    return [
        (np.stack([np.zeros(len(cells[0]), np.int64), *cells]), advance)
        for cells in (frame.nonzero() for frame in mask)
    ]


def contiguous(
    mask: npt.NDArray[np.bool_], temporal: Sequence[int] | Ids, *, after_largest: bool
) -> tuple[Ids, int]:
    """Return offsets and advance of a video that is one run, with temporal ids that grow.

    `temporal [T]` are the temporal ids of the patches. Text after the video goes on at max(h, w) in
    transformers 5, and with `after_largest` behind the largest id, as in transformers 4 and vLLM.
    """
    t, h, w = mask.nonzero()
    ids = np.asarray(temporal, dtype=np.int64)
    advance = max(mask.shape[1:])
    if after_largest:
        advance = max(advance, int(ids[-1]) + 1)
    return np.stack([ids[t], h, w]), advance
