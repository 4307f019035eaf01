"""The writing on pictures, in a font that comes with matplotlib and is the same everywhere."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import matplotlib
from PIL import ImageDraw, ImageFont

from evscli.records import PrunedVideo
from evscli.render.colours import INK, Colour


@lru_cache(maxsize=32)
def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans at a size in pixels."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", name), size)


def write(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    *,
    size: int,
    colour: Colour = INK,
    bold: bool = False,
    anchor: str = "la",
    width: float | None = None,
) -> float:
    """Write one line, shortened to `width` pixels, and return the pixels that it took across."""
    face = font(size, bold=bold)
    shown = shortened(text, face, width)
    draw.text(place, shown, font=face, fill=colour, anchor=anchor)
    return face.getlength(shown)


def shortened(text: str, face: ImageFont.FreeTypeFont, width: float | None) -> str:
    """Return a text, or as much of its beginning and end as fits, with an ellipsis between."""
    plain = " ".join(text.split())
    if width is None or face.getlength(plain) <= width:
        return plain
    for kept in range(len(plain) - 1, 1, -1):
        head, tail = (kept + 1) // 2, kept // 2
        short = f"{plain[:head]}…{plain[len(plain) - tail :]}"
        if face.getlength(short) <= width:
            return short
    return "…"


def span_text(record: PrunedVideo, t: int) -> str:
    """Return the times of the frames of temporal patch t, such as `4.08-4.33 s`."""
    size = record.info.model.temporal_patch_size
    times = record.frame_times[t * size : (t + 1) * size].tolist()
    first, last = f"{times[0]:.2f}", f"{times[-1]:.2f}"
    return f"{first} s" if first == last else f"{first}–{last} s"
