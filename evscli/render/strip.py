"""The budget of every temporal patch as a row of bars over time, with the cuts between scenes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from PIL import Image, ImageDraw

from evscli.records import FloatArray
from evscli.render.colours import CUT, FAINT, INK, PAPER, TRACK
from evscli.render.paint import Painter
from evscli.render.text import write

AXIS = 26
"""The pixels below the bars for times."""
HEAD_HEIGHT = 12
"""The pixels above the bars for the heads of cuts."""
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)


def bar_edges(count: int, width: int) -> list[int]:
    """Return the pixels [count + 1] at which bars begin and end."""
    return [round(width * t / count) for t in range(count + 1)]


def draw_bars(
    draw: ImageDraw.ImageDraw, painter: Painter, *, left: int, top: int, width: int, height: int
) -> None:
    """Draw a bar for each temporal patch, on a track whose height stands for all its tokens."""
    patches, h, w = painter.grid_thw
    edges = bar_edges(patches, width)
    gap = 1 if width / patches >= 4 else 0
    for t in range(patches):
        x0, x1 = left + edges[t], left + edges[t + 1] - 1 - gap
        if x1 < x0:
            continue
        draw.rectangle((x0, top, x1, top + height - 1), fill=TRACK)
        low = top + height
        for bar in painter.bars(t):
            high = low - round(height * bar.count / (h * w))
            if high < low:
                draw.rectangle((x0, high, x1, low - 1), fill=bar.colour)
            low = high


def budget_strip(
    painter: Painter,
    times: FloatArray,
    *,
    cuts: Sequence[float],
    shown: Collection[int],
    width: int,
    height: int,
) -> Image.Image:
    """Draw bars, times below them, cuts as lines with a head, dots under the patches `shown`.

    `cuts` are counted in temporal patches: 2.5 is in the middle of the third.
    """
    strip = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(strip)
    tall = height - AXIS - HEAD_HEIGHT
    draw_bars(draw, painter, left=0, top=HEAD_HEIGHT, width=width, height=tall)
    edges = bar_edges(painter.grid_thw[0], width)
    cells = painter.grid_thw[1] * painter.grid_thw[2]
    label = f"of {cells} tokens a frame"
    write(draw, (width - 6, HEAD_HEIGHT + 5), label, size=13, colour=FAINT, anchor="ra")
    for cut in cuts:
        x = round(width * cut / painter.grid_thw[0])
        draw.line((x, 0, x, HEAD_HEIGHT + tall), fill=CUT, width=2)
        draw.polygon([(x - 5, 0), (x + 5, 0), (x, 8)], fill=CUT)
    for t in shown:
        middle = (edges[t] + edges[t + 1]) / 2
        draw.ellipse(
            (middle - 2, HEAD_HEIGHT + tall + 3, middle + 2, HEAD_HEIGHT + tall + 7), fill=INK
        )
    for t, label in time_ticks(times, most=max(2, width // 90)):
        middle = (edges[t] + edges[t + 1]) / 2
        anchor = "la" if middle < 30 else "ra" if middle > width - 30 else "ma"
        write(draw, (middle, HEAD_HEIGHT + tall + 9), label, size=13, colour=FAINT, anchor=anchor)
    return strip


def time_ticks(times: FloatArray, *, most: int) -> list[tuple[int, str]]:
    """Return (temporal patch, its time) at round times, about `most` of them at most."""
    span = float(times[-1] - times[0])
    step = next((step for step in STEPS if span / step <= most), STEPS[-1])
    ticks, due = [], 0.0
    for t, time in enumerate(times.tolist()):
        if time >= due:
            ticks.append((t, clock(time)))
            due = (time // step + 1) * step
    return ticks


def clock(seconds: float) -> str:
    """Write a time as `7 s` below a minute, else as `3:07` or `1:03:07`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
