"""The painting of cells onto a picture: kept ones bright, dropped ones dim.

A kept pixel keeps its very value, unless it lies on a line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evscli.records import FloatArray, IntArray
from evscli.render.colours import (
    BOTH,
    KEPT,
    ONLY_A,
    ONLY_B,
    OUTLINE,
    TRACK,
    Colour,
    Scale,
    heat_colours,
)

Mask = NDArray[np.bool_]
Value = TypeVar("Value", bound=np.generic)

DIM = 0.3
"""The share of its brightness that a dropped cell keeps. It loses its colour."""
DARK = 0.45
"""The share of its brightness that a dropped cell keeps under a heatmap."""
HEATED = 0.65
"""The opacity of a heatmap over a picture."""
TINTED = 0.45
"""The opacity of the tint of cells that only one of two selections keeps."""
GRID = 0.22
"""The opacity of the lines between cells."""
LINED, OUTLINED = 6, 8
"""The pixels of a cell's side from which it has lines, and an outline."""


@dataclass(frozen=True, kw_only=True)
class CellGrid:
    """A grid of h x w cells on a picture of any size: a cell is the same share of each."""

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


@dataclass(frozen=True)
class Look:
    """The names and the looks of a state of a cell. State 0 is drawn dim."""

    word: str
    key: str
    """The text in a legend."""
    colour: Colour
    """The colour in bars and legends."""
    tint: Colour | None = None
    """The colour that is laid over the pixels, if any."""


@dataclass(frozen=True)
class Bar:
    """A part of a frame's bar: a number of tokens, and a colour."""

    count: int
    colour: Colour


@dataclass(frozen=True, kw_only=True, eq=False)
class Painter:
    """The states of the cells of one video, for pictures of any size."""

    states: NDArray[np.uint8]
    """[T, h, w] indices into `looks`."""
    looks: Sequence[Look]
    captions: Sequence[str]
    """[T] a few words about each temporal patch."""
    scores: FloatArray | None = None
    """[T, h, w] the scores that are drawn as a heatmap, if any."""

    @property
    def grid_thw(self) -> tuple[int, int, int]:
        """The grid (T, h, w)."""
        t, h, w = self.states.shape
        return t, h, w

    @cached_property
    def scale(self) -> Scale | None:
        """The scale of the heatmap, where there is one."""
        return None if self.scores is None else Scale.of(self.scores)

    def bars(self, t: int) -> list[Bar]:
        """Return the bar of temporal patch t, of h*w tokens in all: every state but 0."""
        counts = np.bincount(self.states[t].ravel(), minlength=len(self.looks)).tolist()
        pairs = zip(counts[1:], self.looks[1:], strict=True)
        return [Bar(count, look.colour) for count, look in pairs]

    def paint(self, picture: Image.Image, t: int) -> Image.Image:
        """Return a painted copy of the picture of a frame of temporal patch t."""
        stencil = _stencil(self, t, picture.size)
        dropped = _dimmed(picture)
        if stencil.heat is not None:
            picture = Image.blend(_grey(picture), stencil.heat, HEATED)
            dropped = picture.point([round(DARK * level) for level in range(256)] * 3)
        painted = Image.composite(picture, dropped, stencil.kept)
        for region, tint in stencil.tinted:
            painted.paste(Image.blend(_grey(picture), tint, TINTED), mask=region)
        painted.paste(stencil.ink, mask=stencil.lines)
        return painted


def mask_painter(mask: Mask, scores: FloatArray | None = None) -> Painter:
    """Return the painter of one selection `mask [T, h, w]`, with `scores` as a heatmap, if any."""
    cells = mask[0].size
    counts = mask.sum(axis=(1, 2)).tolist()
    return Painter(
        states=mask.astype(np.uint8),
        looks=(
            Look("dropped", "dropped: dim", TRACK),
            Look("kept", "kept: bright, outlined", KEPT),
        ),
        captions=[f"{count}/{cells}" for count in counts],
        scores=scores,
    )


def against_painter(first: Mask, second: Mask, names: tuple[str, str] = ("A", "B")) -> Painter:
    """Return the painter of two selections [T, h, w] of one video.

    Captions give the tokens that each keeps, and the overlap: those of both over those of either.
    """
    kept = [mask.sum(axis=(1, 2)).tolist() for mask in (first, second)]
    both = (first & second).sum(axis=(1, 2)).tolist()
    either = (first | second).sum(axis=(1, 2)).tolist()
    only = [f"only by {name}" for name in names]
    return Painter(
        states=np.select([first & second, first, second], [1, 2, 3]).astype(np.uint8),
        looks=(
            Look("kept by neither", "by neither: dim", TRACK),
            Look("kept by both", "kept by both: bright", BOTH),
            Look(f"kept {only[0]}", only[0], ONLY_A, tint=ONLY_A),
            Look(f"kept {only[1]}", only[1], ONLY_B, tint=ONLY_B),
        ),
        captions=[
            f"{one} | {other} · overlap {shared / union:.0%}" if union else "nothing kept"
            for one, other, shared, union in zip(*kept, both, either, strict=True)
        ],
    )


@dataclass(frozen=True, kw_only=True)
class Stencil:
    """The images that painting one temporal patch needs, all of one size."""

    kept: Image.Image
    tinted: Sequence[tuple[Image.Image, Image.Image]]
    """The (region, colour) of every state with a tint."""
    heat: Image.Image | None
    ink: Image.Image
    """The colours of lines and outlines."""
    lines: Image.Image
    """The opacity of lines and outlines."""


@lru_cache(maxsize=2)  # a video shows many frames of one temporal patch in a row
def _stencil(painter: Painter, t: int, size: tuple[int, int]) -> Stencil:
    grid = CellGrid(cells=painter.grid_thw[1:], size=(size[1], size[0]))
    states, heat = painter.states[t], None
    if painter.scores is not None and painter.scale is not None:
        heat = Image.fromarray(heat_colours(grid.spread(painter.scale(painter.scores[t]))))
    ink, lines = _lines(grid, states > 0)
    return Stencil(
        kept=_alpha(grid.spread(states > 0)),
        tinted=[
            (_alpha(grid.spread(states == state)), Image.new("RGB", size, look.tint))
            for state, look in enumerate(painter.looks)
            if look.tint is not None
        ],
        heat=heat,
        ink=ink,
        lines=lines,
    )


def _lines(grid: CellGrid, kept: Mask) -> tuple[Image.Image, Image.Image]:
    """Return colour and opacity of a grid and of the outline of kept cells, where there is room."""
    opacity = np.zeros(grid.size, dtype=np.uint8)
    colour = np.zeros((*grid.size, 3), dtype=np.uint8)
    cell = min(grid.size[0] / grid.cells[0], grid.size[1] / grid.cells[1])
    if cell >= LINED:
        opacity[grid.lines] = round(255 * GRID)
    if cell >= OUTLINED:
        border = grid.outline(kept, max(1, round(cell / 24)))
        opacity[border], colour[border] = 255, OUTLINE
    return Image.fromarray(colour), Image.fromarray(opacity)


def _dimmed(picture: Image.Image) -> Image.Image:
    return picture.convert("L").point([round(DIM * level) for level in range(256)]).convert("RGB")


def _grey(picture: Image.Image) -> Image.Image:
    return picture.convert("L").convert("RGB")


def _alpha(mask: Mask) -> Image.Image:
    return Image.fromarray(mask.astype(np.uint8) * 255)
