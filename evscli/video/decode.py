"""The planned frames of one video as a stream of RGB pixels, equal to those of a sequential decode.

The cursor finds the way to a frame. One chunk of pixels is held at a time. Decoding takes arrays
and not tensors, so that a process that does nothing else need not import torch.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import TypeAlias

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from evscli.errors import VideoError
from evscli.records import FrameChunk, FramePlan, IntArray
from evscli.video.cursor import Cursor
from evscli.video.hardware import AcceleratedFrames
from evscli.video.side_by_side import SideBySide, stretches
from evscli.video.timeline import VideoIndex

Levels: TypeAlias = NDArray[np.uint8]
Source: TypeAlias = Cursor | AcceleratedFrames
Note: TypeAlias = Callable[[str], None]


def decode_frames(
    index: VideoIndex, plan: FramePlan, *, chunk_frames: int, threads: int = 1
) -> Iterator[FrameChunk]:
    """Return the planned frames in plan order, turned for a viewer, `chunk_frames` at a time.

    With more `threads` these decode it from several places, in chunks that are smaller by that
    factor. Pixels equal `frame.to_ndarray(format="rgb24")` of a sequential decode bit for bit,
    turned. The file is closed when the iterator ends or is closed. Raises VideoError, stage
    "decode", at a frame that is damaged, never comes or has another size than the first.
    """
    arrays = decode_arrays(index, plan, chunk_frames=chunk_frames, threads=threads)
    return _as_tensors(arrays)


def decode_arrays(
    index: VideoIndex,
    plan: FramePlan,
    *,
    chunk_frames: int,
    hwaccel: str = "none",
    note: Note = lambda _: None,
    threads: int = 1,
) -> Generator[tuple[int, Levels]]:
    """Return the planned frames as `decode_frames` does, without torch.

    Each item is the position of its first frame in the plan, and the pixels [f, 3, H, W] in one
    piece of memory. `hwaccel` is the device that decodes where it gives the same pixels, and `note`
    is called with the reason where software does it instead. Raises as `decode_frames` does.
    """
    if chunk_frames < 1:
        raise ValueError(f"need at least 1, got {chunk_frames=}")
    threads = min(threads, chunk_frames) if hwaccel == "none" else 1
    parts = stretches(index, plan.source_index, chunk_frames // threads)
    if min(threads, len(parts)) > 1:
        return _chunks_by_threads(index, plan, parts, threads, chunk_frames // threads)
    return _chunks(index, plan, chunk_frames, partial(_source, hwaccel=hwaccel, note=note))


def _source(index: VideoIndex, wanted: IntArray, *, hwaccel: str, note: Note) -> Source:
    if hwaccel == "none":
        return Cursor(index, wanted=wanted)
    return AcceleratedFrames(index, wanted=wanted, note=note)


def _as_tensors(chunks: Generator[tuple[int, Levels]]) -> Iterator[FrameChunk]:
    with closing(chunks):
        yield from map(_as_tensor, chunks)  # which binds no name to a chunk


def _as_tensor(chunk: tuple[int, Levels]) -> FrameChunk:
    from torch import from_numpy

    start, pixels = chunk
    return FrameChunk(start=start, pixels=from_numpy(pixels))


def _chunks(
    index: VideoIndex,
    plan: FramePlan,
    chunk_frames: int,
    source: Callable[[VideoIndex, IntArray], Source],
) -> Generator[tuple[int, Levels]]:
    reformatter = VideoReformatter()
    with source(index, plan.source_index) as cursor:
        for start in range(0, len(plan.source_index), chunk_frames):
            stop = min(start + chunk_frames, len(plan.source_index))
            # The chunk is not bound to a name: it must not live on while the next one is filled.
            yield start, _pixels(cursor, reformatter, index, plan, range(start, stop))


def _chunks_by_threads(
    index: VideoIndex, plan: FramePlan, parts: Sequence[range], threads: int, piece: int
) -> Generator[tuple[int, Levels]]:
    def decode(source: tuple[Cursor, VideoReformatter], positions: range) -> Levels:
        return _pixels(*source, index, plan, positions)

    @contextmanager
    def opened() -> Iterator[tuple[Cursor, VideoReformatter]]:
        with Cursor(index, wanted=plan.source_index) as cursor:
            yield cursor, VideoReformatter()

    pieces = SideBySide(parts, opened, decode, threads=min(threads, len(parts)), piece=piece)
    with closing(pieces):
        yield from pieces


def _pixels(
    cursor: Source,
    reformatter: VideoReformatter,
    index: VideoIndex,
    plan: FramePlan,
    positions: range,
) -> Levels:
    pixels = np.empty((len(positions), 3, *index.displayed_size), np.uint8)
    for row, position in enumerate(positions):
        frame = cursor.frame(int(plan.source_index[position]))
        if frame is None:
            raise _lost(cursor.error, index, plan, position)
        if (frame.height, frame.width) != index.coded_size:
            raise _resized(frame, index, plan, position)
        pixels[row] = _as_shown(_rgb(frame, reformatter), index)
    return pixels


def _rgb(frame: VideoFrame, reformatter: VideoReformatter) -> Levels:
    """Return the pixels [3, H, W] of a frame as coded."""
    # One thread, since the scaler's default starts one per core for every frame.
    rows = reformatter.reformat(frame, format="rgb24", threads=1).to_ndarray()
    return rows.astype(np.uint8, copy=False).transpose(2, 0, 1)


def _as_shown(picture: Levels, index: VideoIndex) -> Levels:
    turned = np.rot90(picture, index.rotation // 90, axes=(1, 2)) if index.rotation else picture
    return turned[:, :, ::-1] if index.mirrored else turned


def _lost(reason: str, index: VideoIndex, plan: FramePlan, position: int) -> VideoError:
    return VideoError(
        f"{index.path}: {_frame_name(plan, position)} cannot be decoded ({reason}); {position} of "
        f"{len(plan.source_index)} frames came before it; copy or download the video again, or "
        "leave damaged frames out with --damaged skip",
        stage="decode",
    )


def _resized(frame: VideoFrame, index: VideoIndex, plan: FramePlan, position: int) -> VideoError:
    height, width = index.coded_size
    return VideoError(
        f"{index.path} changes its size from {width}x{height} to {frame.width}x{frame.height} at "
        f"{_frame_name(plan, position)}; {position} of {len(plan.source_index)} frames came before "
        "it; re-encode it to one size with ffmpeg",
        stage="decode",
    )


def _frame_name(plan: FramePlan, position: int) -> str:
    return f"frame {plan.source_index[position]} at {plan.frame_times[position]:.2f} s"
