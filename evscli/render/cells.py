"""The cells of the merged grid on the pixels of a picture.

The processor resizes a picture whole, so a cell is the same share of the picture at any size: the
size that the encoder saw, that of the source, that of a thumbnail.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from evscli.records import IntArray

Mask = NDArray[np.bool_]
Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True, kw_only=True)
class CellGrid:
    """A grid of h x w cells on a picture of some size."""

    cells: tuple[int, int]
    """The (h, w) cells of a frame."""
    size: tuple[int, int]
    """The (height, width) of the picture in pixels."""

    @cached_property
    def rows(self) -> IntArray:
        """The row of cells [height] that each row of pixels belongs to."""
        return _places(self.cells[0], self.size[0])

    @cached_property
    def columns(self) -> IntArray:
        """The column of cells [width] that each column of pixels belongs to."""
        return _places(self.cells[1], self.size[1])

    def spread(self, values: NDArray[Value]) -> NDArray[Value]:
        """Spread a value for each cell [h, w, ...] over its pixels [height, width, ...]."""
        return values[self.rows][:, self.columns]

    @cached_property
    def lines(self) -> Mask:
        """The pixels [height, width] that begin a row or a column of cells, but the first ones."""
        down = np.diff(self.rows, prepend=0) > 0
        across = np.diff(self.columns, prepend=0) > 0
        return down[:, None] | across[None]

    def outline(self, inside: Mask, thickness: int) -> Mask:
        """Return the inner border [height, width] of cells `inside [h, w]` towards the others.

        The border of the picture does not count.
        """
        pixels = self.spread(inside)
        border = np.zeros_like(pixels)
        for axis in (0, 1):
            for step in (-1, 1):
                beyond = pixels
                for _ in range(thickness):
                    beyond = _moved(beyond, step, axis)
                    border |= pixels & ~beyond
        return border


def _places(cells: int, pixels: int) -> IntArray:
    """Return the cell [pixels] in which the centre of each pixel lies."""
    centres = 2 * np.arange(pixels, dtype=np.int64) + 1
    return centres * cells // (2 * pixels)


def _moved(pixels: Mask, step: int, axis: int) -> Mask:
    """Return every pixel's neighbour along an axis; at the edge the pixel itself."""
    moved = np.roll(pixels, step, axis)
    edge = [slice(None), slice(None)]
    edge[axis] = slice(0, 1) if step > 0 else slice(-1, None)
    moved[tuple(edge)] = pixels[tuple(edge)]
    return moved
