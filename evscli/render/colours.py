"""The colours of what is drawn, distinct to any colour vision, and the scale of heatmaps."""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib
import numpy as np
from numpy.typing import NDArray

from evscli.records import FloatArray

Colour = tuple[int, int, int]

PAPER: Colour = (255, 255, 255)
INK: Colour = (32, 34, 38)
FAINT: Colour = (98, 102, 110)
TRACK: Colour = (228, 230, 234)
KEPT: Colour = (0, 114, 178)
CUT: Colour = (204, 121, 167)
OUTLINE: Colour = (240, 228, 66)
ONLY_A: Colour = (0, 114, 178)
ONLY_B: Colour = (213, 94, 0)
BOTH: Colour = (120, 126, 136)
"""The colours are those of Okabe and Ito, "Color Universal Design" (2008): blue, yellow, vermilion
and reddish purple. The greys are our own."""

HEAT = "cividis"
"""The colour map of Nunez, Anderton and Renslow, "Optimizing colormaps with consideration for color
vision deficiency" (2018), whose brightness rises evenly for every colour vision."""
PERCENTILES = (2.0, 98.0)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A map from scores to 0..1, which clips scores outside two percentiles of them all."""

    low: float
    high: float

    @classmethod
    def of(cls, scores: FloatArray) -> Scale:
        """Return the scale of the finite `scores [T, ...]` of a video.

        Frames whose cells all have one score are left out where others do not: some methods keep
        them by rule and give them a score above every other.
        """
        frames = scores.reshape(len(scores), -1)
        differ = frames.max(axis=1) > frames.min(axis=1)
        told = frames[differ] if differ.any() else frames
        finite = told[np.isfinite(told)]
        if not finite.size:
            return cls(low=0.0, high=1.0)
        low, high = np.percentile(finite, PERCENTILES)
        return cls(low=float(low), high=float(high))

    def __call__(self, scores: FloatArray) -> FloatArray:
        """Return scores as 0..1, or all 0.5 where they do not differ."""
        if self.high <= self.low:
            return np.full(scores.shape, 0.5)
        shares: FloatArray = np.clip((scores - self.low) / (self.high - self.low), 0.0, 1.0)
        return np.nan_to_num(shares)


def heat_colours(shares: FloatArray) -> NDArray[np.uint8]:
    """Return values 0..1 [...] as colours of the heatmap, RGB [..., 3]."""
    colours: NDArray[np.uint8] = matplotlib.colormaps[HEAT](shares, bytes=True)[..., :3]
    return colours
