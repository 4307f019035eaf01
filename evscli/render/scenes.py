"""The cuts of a video from one scene to another, found in its sampled frames.

They give orientation in a picture of many frames. No method of pruning uses them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from evscli.records import FloatArray

LEVELS = 4
"""The levels of each of red, green and blue in a histogram."""
TILES = 3
"""The number of parts along each side of a picture, each of which has its own histogram."""
THRESHOLD = 0.45
"""The least share of pixels that change their colour from the frame before at a cut."""
LEAST = 10.0
"""The least change of the parts' mean colours at a cut, of 255. A slow fade passes from one colour
of the histogram to the next all at once."""
FACTOR = 2.0
"""The least ratio of that share to the smaller of the changes before and after it."""


@dataclass(frozen=True, eq=False)
class Glance:
    """The colours that are remembered of a frame."""

    shares: FloatArray
    """[TILES**2 * LEVELS**3] the shares of colours in each part, which sum to 1."""
    means: FloatArray
    """[3, TILES**2] the mean colours of the parts, 0..255."""


def glance(pixels: NDArray[np.uint8]) -> Glance:
    """Return the colours of a picture [3, H, W]."""
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
    """Return the frames, but the first, whose picture is unlike that of the frame before."""
    changes, shifts = [0.0], [0.0]
    for before, now in pairwise(glances):
        changes.append(0.5 * float(np.abs(now.shares - before.shares).sum()))
        shifts.append(float(np.abs(now.means - before.means).mean()))
    return [t for t in range(1, len(changes)) if shifts[t] > LEAST and _is_cut(changes, t)]


def _is_cut(changes: Sequence[float], t: int) -> bool:
    """Whether frame t changes much, and more than the video does around it, as a pan would."""
    around = [changes[n] for n in (t - 1, t + 1) if 1 <= n < len(changes)]
    return changes[t] > max(THRESHOLD, FACTOR * min(around, default=0.0))
