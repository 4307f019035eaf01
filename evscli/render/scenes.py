"""Where a video cuts from one scene to another, told by its sampled frames.

For orientation in a picture of many frames; no method of pruning sees it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from evscli.records import FloatArray

LEVELS = 4
"""Of each of red, green and blue in a histogram."""
TILES = 3
"""Parts along each side of a picture that are looked at by themselves."""
THRESHOLD = 0.45
"""Share of the pixels that change their colour from the frame before."""
LEAST = 10.0
"""Of 255: how much the parts' mean colours change at least. A slow fade passes from one colour of
the histogram to the next all at once."""
FACTOR = 2.0
"""How far that share is above the quieter of the changes before and after it."""


@dataclass(frozen=True, eq=False)
class Glance:
    """What is remembered of a frame."""

    shares: FloatArray
    """[TILES**2 * LEVELS**3] of colours in each part, summing to 1"""
    means: FloatArray
    """[3, TILES**2] colours of the parts, 0..255"""


def glance(pixels: NDArray[np.uint8]) -> Glance:
    """Look at a picture [3, H, W]."""
    thin = pixels[:, :: max(1, pixels.shape[1] // 96), :: max(1, pixels.shape[2] // 96)]
    levels = thin.astype(np.int64) * LEVELS // 256
    colour = (levels[0] * LEVELS + levels[1]) * LEVELS + levels[2]
    rows = np.arange(colour.shape[0]) * TILES // colour.shape[0]
    columns = np.arange(colour.shape[1]) * TILES // colour.shape[1]
    part = rows[:, None] * TILES + columns
    counts = np.bincount((part * LEVELS**3 + colour).ravel(), minlength=TILES**2 * LEVELS**3)
    each = np.maximum(np.bincount(part.ravel(), minlength=TILES**2), 1)
    sums = [np.bincount(part.ravel(), plane.ravel(), minlength=TILES**2) for plane in thin]
    return Glance(shares=counts / counts.sum(), means=np.array(sums) / each)


def find_cuts(glances: Iterable[Glance]) -> list[int]:
    """The frames, but the first, whose picture is another one than that of the frame before."""
    changes, shifts = [0.0], [0.0]
    for before, now in pairwise(glances):
        changes.append(0.5 * float(np.abs(now.shares - before.shares).sum()))
        shifts.append(float(np.abs(now.means - before.means).mean()))
    return [t for t in range(1, len(changes)) if shifts[t] > LEAST and _is_cut(changes, t)]


def _is_cut(changes: Sequence[float], t: int) -> bool:
    """Whether frame t changes much, and more than the video does around it, as a pan would."""
    around = [changes[n] for n in (t - 1, t + 1) if 1 <= n < len(changes)]
    return changes[t] > max(THRESHOLD, FACTOR * min(around, default=0.0))
