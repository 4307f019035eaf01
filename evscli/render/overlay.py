"""The overlay video: every frame of the source with the mask of its temporal patch.

Each frame is decoded, painted and encoded before the next. Times are those of the source.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container.output import OutputContainer
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from PIL import Image, ImageDraw

from evscli.records import FloatArray, IntArray, PrunedVideo
from evscli.render.colours import PAPER, Scale, heat_colours
from evscli.render.frames import Advance, all_pictures, shown_frames
from evscli.render.paint import Painter
from evscli.render.strip import bar_edges, draw_bars
from evscli.render.text import font, write
from evscli.render.views import View
from evscli.video import VideoIndex
from evscli.video.container import open_video

CODEC = "libx264"
QUALITY = {"crf": "18", "preset": "veryfast"}
PLAYABLE = {"movflags": "+faststart"}
PIXEL_FORMAT = "yuv420p"
BT709 = Colorspace.ITU709
LIMITED = ColorRange.MPEG


def patch_of_frames(record: PrunedVideo, times: FloatArray) -> IntArray:
    """Return the temporal patch [N] with the frames nearest to each source frame of `times [N]`."""
    size = record.info.model.temporal_patch_size
    sampled = record.frame_times.numpy()
    first, last = sampled[::size], sampled[size - 1 :: size]
    if len(last) < len(first):
        last = np.append(last, sampled[-1])
    return np.searchsorted((last[:-1] + first[1:]) / 2, times, side="right")


def write_overlay(view: View, source: VideoIndex | None, path: Path, *, advance: Advance) -> None:
    """Write an MP4 with H.264 that browsers play; one more row or column where a side is odd.

    Without a source every picture is grey, at the source's average rate. `advance` is called for
    every frame. Raises VideoError for a frame that cannot be decoded, OSError where the file
    cannot be written.
    """
    record, painter = view.record, view.painter
    height, width = record.info.source_size
    shown = shown_frames(record, source)
    pts, time_base, fps = clock_of(record, source, shown)
    times = np.asarray(pts * float(time_base)) if source is None else source.times[shown]
    owners = patch_of_frames(record, times)
    strip = TimeStrip(painter, (width, height))
    # An absolute name, since FFmpeg takes a word before a colon for a protocol.
    with av.open(str(path.absolute()), "w", format="mp4", options=PLAYABLE) as container:
        stream = add_stream(container, (width, height), fps=fps, time_base=time_base)
        stream.codec_context.sample_aspect_ratio = pixel_shape(source)
        for number, picture in enumerate(all_pictures(record, source)):
            t = int(owners[number])
            frame = as_frame(strip.draw(painter.paint(picture, t), t))
            frame.pts, frame.time_base = int(pts[number] - pts[0]), time_base
            container.mux(stream.encode(frame))
            advance(1)
        container.mux(stream.encode(None))


def pixel_shape(source: VideoIndex | None) -> Fraction:
    """Return width over height of a pixel as a viewer shows it, 1 where the file states none."""
    if source is None:
        return Fraction(1)
    container, stream = open_video(source.path)
    with container:
        shape = stream.sample_aspect_ratio or Fraction(1)
    return 1 / shape if source.rotation % 180 else shape


def add_stream(
    container: OutputContainer, size: tuple[int, int], *, fps: float, time_base: Fraction
) -> VideoStream:
    """Add an H.264 stream for pictures of `size` = (width, height), in colours of BT.709."""
    rate = Fraction(fps).limit_denominator(60000)
    stream: Any = container.add_stream(CODEC, rate=rate, options=QUALITY)
    stream.width, stream.height = (side + side % 2 for side in size)
    stream.pix_fmt = PIXEL_FORMAT
    codec = stream.codec_context
    stream.time_base = codec.time_base = time_base
    # Players guess by the size where nothing is stated, and then colours of large videos shift.
    codec.colorspace = codec.color_primaries = codec.color_trc = BT709
    codec.color_range = LIMITED
    video: VideoStream = stream
    return video


def as_frame(picture: Image.Image) -> av.VideoFrame:
    """Return a picture as a frame to encode, its last row and column twice where a side is odd."""
    pixels = np.asarray(picture)
    height, width = pixels.shape[:2]
    even = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    frame = av.VideoFrame.from_ndarray(even, format="rgb24")
    return frame.reformat(format=PIXEL_FORMAT, dst_colorspace=BT709, dst_color_range=LIMITED)


def clock_of(
    record: PrunedVideo, source: VideoIndex | None, shown: IntArray
) -> tuple[IntArray, Fraction, float]:
    """Return (times [N], time base in seconds, average rate) of the frames `shown`.

    Times count from the source's first frame, in units of the time base.
    """
    fps = record.info.source_fps
    if source is not None:
        fps, pts = source.fps, source.pts[shown]
        if (np.diff(pts) > 0).all():  # a broken file may show two frames at one time
            return pts - source.pts[0], source.time_base, fps
    return shown, 1 / Fraction(fps).limit_denominator(60000), fps


class TimeStrip:
    """A strip along the lower edge with the budget of every temporal patch, and a playhead."""

    def __init__(self, painter: Painter, size: tuple[int, int]) -> None:
        """Draw the strip for a video of `size` = (width, height)."""
        self.painter = painter
        width, height = size
        self.height = max(8, height // 18)
        self.text = max(8, round(self.height * 0.62))
        self.strip = Image.new("RGB", (width, self.height), PAPER)
        draw_bars(
            ImageDraw.Draw(self.strip), painter, left=0, top=2, width=width, height=self.height - 2
        )
        self.edges = bar_edges(painter.grid_thw[0], width)
        self.legend = legend_of(painter, size=self.text, width=width // 2)

    def draw(self, picture: Image.Image, t: int) -> Image.Image:
        """Draw the strip on a picture, with a playhead over temporal patch t and its caption."""
        top = picture.height - self.height
        picture.paste(self.strip, (0, top))
        draw = ImageDraw.Draw(picture)
        left, right = self.edges[t], max(self.edges[t + 1] - 1, self.edges[t] + 1)
        draw.rectangle(
            (left, top, right, picture.height - 1), outline=(0, 0, 0), width=1 + self.height // 20
        )
        label(draw, self.painter.captions[t], size=self.text, bottom=top)
        if self.legend is not None:
            picture.paste(
                self.legend, (picture.width - self.legend.width, top - self.legend.height)
            )
        return picture


def legend_of(painter: Painter, *, size: int, width: int) -> Image.Image | None:
    """Return the legend, at most `width` pixels wide, or None for colours of kept and dropped."""
    if painter.scale is not None:
        return scale_legend(painter.scale, size=size)
    lines = [look for look in painter.looks if look.tint is not None]
    if not lines:
        return None
    legend = Image.new("RGB", (width, (size + size // 2) * len(lines)), PAPER)
    draw, taken = ImageDraw.Draw(legend), 0.0
    for number, look in enumerate(lines):
        top = number * (size + size // 2) + size // 4
        draw.rectangle((size // 2, top, size // 2 + size, top + size - 1), fill=look.colour)
        room = width - 2.5 * size
        taken = max(taken, write(draw, (2 * size, top), look.key, size=size, width=room))
    return legend.crop((0, 0, round(taken + 2.5 * size), legend.height))


def scale_legend(scale: Scale, *, size: int) -> Image.Image:
    """Return the colours of a heatmap between the scores at their ends."""
    low, high = f"{scale.low:.3g}", f"{scale.high:.3g}"
    face = font(size)
    left, right = face.getlength(low) + size, face.getlength(high) + size
    ramp = heat_colours(np.linspace(0, 1, 6 * size)[None].repeat(size, axis=0))
    legend = Image.new("RGB", (round(left + 6 * size + right), size + size // 2), PAPER)
    draw = ImageDraw.Draw(legend)
    write(draw, (size // 2, size // 4), low, size=size)
    legend.paste(Image.fromarray(ramp), (round(left), size // 4))
    write(draw, (left + 6.5 * size, size // 4), high, size=size)
    return legend


def label(draw: ImageDraw.ImageDraw, text: str, *, size: int, bottom: int) -> None:
    """Write a line in a box of its own at the left, above `bottom`."""
    room = font(size, bold=True).getlength(text) + size
    draw.rectangle((0, bottom - size - size // 2, room, bottom - 1), fill=PAPER)
    write(draw, (size // 2, bottom - size // 4), text, size=size, bold=True, anchor="ls")
