"""Where a video cuts from one scene to another, told by its sampled frames.

For orientation in a picture of many frames; no method of pruning sees it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from evscli.records import FloatArray

LEVELS = 4
"""Of each of red, green and blue in a histogram."""
TILES = 3
"""Parts along each side of a picture with a histogram of their own."""
THRESHOLD = 0.45
"""Share of the pixels that change their colour from the frame before."""
FACTOR = 2.0
"""How far that is above the quieter of the changes before and after it."""


def histogram(pixels: NDArray[np.uint8]) -> FloatArray:
    """Shares of colours in parts of a picture [3, H, W]: [TILES**2 * LEVELS**3], summing to 1."""
    thin = pixels[:, :: max(1, pixels.shape[1] // 96), :: max(1, pixels.shape[2] // 96)]
    levels = thin.astype(np.int64) * LEVELS // 256
    colour = (levels[0] * LEVELS + levels[1]) * LEVELS + levels[2]
    rows = np.arange(colour.shape[0]) * TILES // colour.shape[0]
    columns = np.arange(colour.shape[1]) * TILES // colour.shape[1]
    key = (rows[:, None] * TILES + columns) * LEVELS**3 + colour
    counts = np.bincount(key.ravel(), minlength=TILES**2 * LEVELS**3)
    return np.asarray(counts / counts.sum(), dtype=np.float64)


def find_cuts(histograms: Iterable[FloatArray]) -> list[int]:
    """The frames, but the first, whose picture is another one than that of the frame before."""
    changes = []
    before: FloatArray | None = None
    for shares in histograms:
        changes.append(0.0 if before is None else 0.5 * float(np.abs(shares - before).sum()))
        before = shares
    return [t for t in range(1, len(changes)) if _is_cut(changes, t)]


def _is_cut(changes: Sequence[float], t: int) -> bool:
    """Whether frame t changes much, and more than the video does around it, as a pan would."""
    around = [changes[n] for n in (t - 1, t + 1) if 1 <= n < len(changes)]
    return changes[t] > max(THRESHOLD, FACTOR * min(around, default=0.0))
