"""Pictures of the frames of a pruned video, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from evscli.records import FloatArray, FrameChunk, FramePlan, IntArray, PrunedVideo
from evscli.video import VideoIndex, decode_frames

BLANK = (196, 198, 202)
"""The colour that stands for a picture where there is no source."""
AT_ONCE = 4
"""The number of frames in memory."""
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

Advance = Callable[[int], None]
"""A function that is called with a number of frames when they are done."""


def silently(_: int) -> None:
    """Ignore the frames that are done."""


def frames_of(record: PrunedVideo, t: int) -> range:
    """Return the sampled frames of temporal patch t, as indices into `source_index`."""
    size = record.info.model.temporal_patch_size
    return range(t * size, min((t + 1) * size, len(record.source_index)))


def pictures(
    record: PrunedVideo,
    source: VideoIndex | None,
    patches: Sequence[int],
    *,
    size: tuple[int, int],
) -> Iterator[tuple[int, Image.Image]]:
    """Yield (temporal patch, picture) of every frame of `patches`, `size` = (width, height).

    Pictures are grey without a source. Raises VideoError for a frame that cannot be decoded.
    """
    places = [place for t in patches for place in frames_of(record, t)]
    owners = [t for t in patches for _ in frames_of(record, t)]
    if source is None:
        yield from ((t, Image.new("RGB", size, BLANK)) for t in owners)
        return
    for chunk in decoded(record, source, places):
        for row, pixels in enumerate(chunk.pixels):
            picture = as_picture(pixels)
            yield owners[chunk.start + row], picture.resize(size, Image.Resampling.LANCZOS)


def all_pictures(record: PrunedVideo, source: VideoIndex | None) -> Iterator[Image.Image]:
    """Yield every frame of the source or of the video's part of it, grey without a source."""
    shown = shown_frames(record, source)
    if source is None:
        height, width = record.info.source_size
        for _ in shown:
            yield Image.new("RGB", (width, height), BLANK)
        return
    plan = plan_of(record, shown, source.times[shown])
    for chunk in decode_frames(source, plan, chunk_frames=AT_ONCE):
        yield from map(as_picture, chunk.pixels)


def shown_frames(record: PrunedVideo, source: VideoIndex | None) -> IntArray:
    """Return the numbers, in the source, of the frames that the video consists of."""
    frames = record.info.frames
    if source is None:
        return np.arange(frames.start, frames.stop)
    if record.info.part is None:  # a forced file may have other frames
        frames = range(source.frames)
    return source.usable(frames)


def as_picture(pixels: Tensor) -> Image.Image:
    """Return pixels [3, H, W] uint8 as a picture."""
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())


def decoded(record: PrunedVideo, source: VideoIndex, places: Sequence[int]) -> Iterator[FrameChunk]:
    """Yield the sampled frames with indices `places`, a few at a time."""
    chosen = np.asarray(places, dtype=np.int64)
    index, times = record.source_index.numpy()[chosen], record.frame_times.numpy()[chosen]
    yield from decode_frames(source, plan_of(record, index, times), chunk_frames=AT_ONCE)


def plan_of(record: PrunedVideo, source_index: IntArray, frame_times: FloatArray) -> FramePlan:
    """Return a plan for decoding frames of a record's source."""
    info = record.info
    return FramePlan(
        source_index=source_index,
        frame_times=frame_times,
        prompt_times=record.prompt_times.numpy(),
        source_fps=info.source_fps,
        source_frames=info.source_frames,
        duration=info.duration,
        source_size=info.source_size,
        rotation=info.rotation,
        resized_size=info.resized_size,
        grid_thw=info.grid_thw,
    )


def cuts_of(
    record: PrunedVideo, source: VideoIndex | None, *, advance: Advance = silently
) -> list[int]:
    """Return the sampled frames that begin another scene, for orientation; none without a source.

    Every sampled frame is decoded; `advance` is called for each.
    """
    if source is None:
        return []
    return find_cuts(_glances(record, source, advance))


def _glances(record: PrunedVideo, source: VideoIndex, advance: Advance) -> Iterator[Glance]:
    for chunk in decoded(record, source, range(len(record.source_index))):
        yield from (glance(pixels.numpy()) for pixels in chunk.pixels)
        advance(len(chunk.pixels))


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
    """Return whether frame t changes much, and more than the video around it, as a pan would."""
    around = [changes[n] for n in (t - 1, t + 1) if 1 <= n < len(changes)]
    return changes[t] > max(THRESHOLD, FACTOR * min(around, default=0.0))
