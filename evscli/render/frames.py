"""Pictures of the frames of a pruned video, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from PIL import Image
from torch import Tensor

from evscli.records import FloatArray, FrameChunk, FramePlan, IntArray, PrunedVideo
from evscli.render.scenes import Glance, find_cuts, glance
from evscli.video import VideoIndex, decode_frames

BLANK = (196, 198, 202)
"""The colour that stands for a picture where there is no source."""
AT_ONCE = 4
"""The number of frames in memory."""
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
    """Return the sampled frames that begin another scene; none where there is no source.

    Every sampled frame is decoded; `advance` is called for each.
    """
    if source is None:
        return []
    return find_cuts(_glances(record, source, advance))


def _glances(record: PrunedVideo, source: VideoIndex, advance: Advance) -> Iterator[Glance]:
    for chunk in decoded(record, source, range(len(record.source_index))):
        yield from (glance(pixels.numpy()) for pixels in chunk.pixels)
        advance(len(chunk.pixels))
