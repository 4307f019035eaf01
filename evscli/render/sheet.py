"""The contact sheet: frames with the cells kept of them, and every frame's budget over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from math import ceil

import numpy as np
from PIL import Image, ImageDraw

from evscli.errors import UsageError
from evscli.records import FloatArray, PrunedVideo
from evscli.render.colours import CUT, FAINT, INK, PAPER, Colour, Scale, heat_colours
from evscli.render.frames import Advance, cuts_of, frames_of, pictures, silently
from evscli.render.paint import Painter
from evscli.render.strip import budget_strip
from evscli.render.text import span_text, write
from evscli.render.views import View
from evscli.video import VideoIndex

SHEET_WIDTH = 1920
MARGIN = 40
GAP = 16
SEAM = 3
"""The pixels between the frames of a card."""
CAPTION = 26
STRIP = 120
AREA = 30_000
"""The approximate number of pixels of a frame."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The arrangement of cards, each with a temporal patch's frames side by side, in rows."""

    columns: int
    frame: tuple[int, int]
    """The (width, height) of a frame's picture."""
    frames: int
    """The number of frames in a card."""

    @property
    def card(self) -> tuple[int, int]:
        """The (width, height) of a card with its caption."""
        width, height = self.frame
        return (width + SEAM) * self.frames - SEAM, height + CAPTION

    @classmethod
    def of(cls, source_size: tuple[int, int], frames: int, cards: int) -> Layout:
        """Lay out `cards` cards of pictures of a source of `source_size` (height, width)."""
        height, width = source_size
        usable = SHEET_WIDTH - 2 * MARGIN
        wanted = frames * (AREA * width / height) ** 0.5
        columns = max(1, min(round((usable + GAP) / (wanted + GAP)), cards))
        card = (usable - GAP * (columns - 1)) // columns
        across = min((card - SEAM * (frames - 1)) // frames, round(2 * wanted / frames))
        return cls(
            columns=columns, frame=(across, max(1, round(across * height / width))), frames=frames
        )

    def place(self, number: int) -> tuple[int, int]:
        """Return the (x, y) of a card, counted from the first one's corner."""
        row, column = divmod(number, self.columns)
        return column * (self.card[0] + GAP), row * (self.card[1] + GAP)


def contact_sheet(
    view: View,
    source: VideoIndex | None,
    *,
    frames: int,
    start: float | None = None,
    stop: float | None = None,
    advance: Advance = silently,
) -> tuple[Image.Image, int]:
    """Return a sheet of at most `frames` sampled frames of start..stop seconds, and their number.

    Above the frames stands the budget of every frame; `advance` is called for the sampled frames
    looked at. The sheet and a few frames are in memory, however long the video is. Raises
    UsageError where no frame lies in that time, VideoError for a frame that cannot be decoded.
    """
    record, painter = view.record, view.painter
    size = record.info.model.temporal_patch_size
    cuts = cuts_of(record, source, advance=advance)
    times = record.frame_times.numpy()
    wanted = sorted({place // size for place in in_time(times, start, stop)})
    chosen = representative(wanted, [-(-cut // size) for cut in cuts], -(-frames // size))
    layout = Layout.of(record.info.source_size, size, len(chosen))
    top = MARGIN + 76 + STRIP + GAP
    rows = ceil(len(chosen) / layout.columns)
    height = top + rows * (layout.card[1] + GAP) + MARGIN - GAP
    sheet = Image.new("RGB", (SHEET_WIDTH, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    keys = [(look.key, look.colour) for look in reversed(painter.looks)]
    keys += [("scene cut", CUT)] if cuts else []
    draw_head(draw, sheet, painter, keys, title=record.id, subtitle=view.described)
    usable = SHEET_WIDTH - 2 * MARGIN
    strip = budget_strip(
        painter,
        times[::size],
        cuts=[cut / size for cut in cuts],
        shown=chosen,
        width=usable,
        height=STRIP,
    )
    sheet.paste(strip, (MARGIN, MARGIN + 76))
    for number, (t, group) in enumerate(cards(record, painter, source, chosen, layout)):
        x, y = layout.place(number)
        for frame, picture in enumerate(group):
            sheet.paste(picture, (MARGIN + x + frame * (layout.frame[0] + SEAM), top + y))
        draw_caption(draw, record, painter, t, (MARGIN + x, top + y + layout.frame[1]), layout)
    return sheet, sum(len(frames_of(record, t)) for t in chosen)


def cards(
    record: PrunedVideo,
    painter: Painter,
    source: VideoIndex | None,
    patches: Sequence[int],
    layout: Layout,
) -> Iterator[tuple[int, list[Image.Image]]]:
    """Yield every (temporal patch, its painted frames)."""
    shown = pictures(record, source, patches, size=layout.frame)
    for t, group in groupby(shown, key=lambda pair: pair[0]):
        yield t, [painter.paint(picture, t) for _, picture in group]


def draw_head(
    draw: ImageDraw.ImageDraw,
    sheet: Image.Image,
    painter: Painter,
    keys: Sequence[tuple[str, Colour]],
    *,
    title: str,
    subtitle: str,
) -> None:
    """Draw title and subtitle on the left, and the legend on the right."""
    right = SHEET_WIDTH - MARGIN - draw_keys(draw, keys, right=SHEET_WIDTH - MARGIN, top=MARGIN + 8)
    if painter.scale is not None:
        right -= GAP + draw_scale(draw, sheet, painter.scale, right=right - GAP, top=MARGIN + 6)
    write(draw, (MARGIN, MARGIN - 6), title, size=28, bold=True, width=right - MARGIN - GAP)
    write(
        draw, (MARGIN, MARGIN + 36), subtitle, size=17, colour=FAINT, width=SHEET_WIDTH - 2 * MARGIN
    )


def draw_keys(
    draw: ImageDraw.ImageDraw, keys: Sequence[tuple[str, Colour]], *, right: float, top: float
) -> float:
    """Draw the legend, its end at `right`; return the pixels that it took."""
    place = right
    for text, colour in reversed(keys):
        place -= write(draw, (place, top), text, size=15, colour=FAINT, anchor="ra") + 22
        draw.rectangle((place, top + 1, place + 14, top + 15), fill=colour, outline=FAINT)
        place -= 20
    return right - place


def draw_scale(
    draw: ImageDraw.ImageDraw, sheet: Image.Image, scale: Scale, *, right: float, top: float
) -> float:
    """Draw a heatmap's colours with the scores at its ends; return the pixels that it took."""
    place = (
        right
        - write(draw, (right, top + 2), f"{scale.high:.3g}", size=15, colour=FAINT, anchor="ra")
        - 8
    )
    ramp = heat_colours(np.linspace(0, 1, 120)[None].repeat(16, axis=0))
    sheet.paste(Image.fromarray(ramp), (int(place - 120), int(top + 3)))
    place -= 128
    text = f"score, 2nd to 98th percentile: {scale.low:.3g}"
    return right - place + write(draw, (place, top + 2), text, size=15, colour=FAINT, anchor="ra")


def draw_caption(
    draw: ImageDraw.ImageDraw,
    record: PrunedVideo,
    painter: Painter,
    t: int,
    place: tuple[int, int],
    layout: Layout,
) -> None:
    """Write below a card: the temporal patch, its times, and the tokens kept of it."""
    x, y = place
    room = layout.card[0]
    took = write(
        draw, (x + room, y + 5), painter.captions[t], size=14, bold=True, colour=INK, anchor="ra"
    )
    text = f"t {t} · {span_text(record, t)}"
    write(draw, (x, y + 5), text, size=14, colour=FAINT, width=room - took - 8)


def in_time(times: FloatArray, start: float | None, stop: float | None) -> list[int]:
    """Return the frames whose time [F] is in start..stop seconds. Raises UsageError for none."""
    low = -np.inf if start is None else start
    high = np.inf if stop is None else stop
    chosen: list[int] = np.flatnonzero((times >= low) & (times <= high)).tolist()
    if not chosen:
        begin = "" if start is None else f" from {start:g} s"
        end = "" if stop is None else f" to {stop:g} s"
        raise UsageError(
            f"no sampled frame lies in the time{begin}{end}: the video's go from {times[0]:.2f} to "
            f"{times[-1]:.2f} s"
        )
    return chosen


def representative(patches: Sequence[int], cuts: Sequence[int], most: int) -> list[int]:
    """Return at most `most` of `patches`, evenly spread, with at least one of every scene.

    `cuts` are the patches that begin a scene. Where there are more scenes than room, the longest
    are shown.
    """
    if len(patches) <= most:
        return list(patches)
    found = scenes(patches, cuts)
    if len(found) > most:
        found = longest(found, most)
    counts = shares([len(scene) for scene in found], most)
    shown = (spread(scene, count) for scene, count in zip(found, counts, strict=True))
    return [patch for chosen in shown for patch in chosen]


def scenes(patches: Sequence[int], cuts: Sequence[int]) -> list[list[int]]:
    """Return the patches between cuts, in their order."""
    edges = sorted(cuts)
    groups: dict[int, list[int]] = {}
    for patch in patches:
        groups.setdefault(int(np.searchsorted(edges, patch, side="right")), []).append(patch)
    return list(groups.values())


def longest(found: Sequence[list[int]], most: int) -> list[list[int]]:
    """Return the `most` longest scenes in their order, spread evenly among equally long ones."""
    least = sorted(map(len, found), reverse=True)[most - 1]
    longer = [number for number, scene in enumerate(found) if len(scene) > least]
    alike = [number for number, scene in enumerate(found) if len(scene) == least]
    return [found[number] for number in sorted([*longer, *spread(alike, most - len(longer))])]


def shares(lengths: Sequence[int], most: int) -> list[int]:
    """Return the number of patches that each scene shows, at least one, `most` in all.

    The longest stretch of a scene that one patch stands for is as short as possible. Where several
    scenes need another patch equally, evenly spread ones get it.
    """
    counts = [1] * len(lengths)
    while (room := most - sum(counts)) > 0:
        stretches = [Fraction(*pair) for pair in zip(lengths, counts, strict=True)]
        alike = [n for n, stretch in enumerate(stretches) if stretch == max(stretches)]
        for number in spread(alike, min(room, len(alike))):
            counts[number] += 1
    return counts


def spread(items: Sequence[int], count: int) -> list[int]:
    """Return `count` of `items`, each from the middle of its own of `count` equal stretches."""
    return [items[(2 * number + 1) * len(items) // (2 * count)] for number in range(count)]
