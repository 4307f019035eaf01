"""The chosen frames on their way to the encoder: resized, made ahead in a thread, or recorded."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise
from os import sched_getaffinity

import torch
from torch import Tensor

from evscli.encoders import VideoEncoder
from evscli.pipeline.planned import PlannedVideo
from evscli.records import FrameChunk, FramePlan, PixelSource
from evscli.scratch import allocate
from evscli.video import decode_frames

Frames = Callable[[], Generator[FrameChunk]]
"""A function that starts a pass over the planned frames, at the size that the encoder sees."""


def decoded_here(encoder: VideoEncoder, planned: PlannedVideo) -> Frames:
    """Return frames that this process decodes, the next chunk while the last one is used."""
    return lambda: ahead(resized(encoder, planned))


def decoded_once(frames: Frames, planned: PlannedVideo) -> Frames:
    """Keep frames in memory or a scratch file, for several passes. Raises as `frames` does."""
    bounds, pixels = [0], None
    with closing(frames()) as chunks:
        for chunk in chunks:
            if pixels is None:
                pixels = recorded_pixels(planned.plan, chunk.pixels.dtype)
            pixels[chunk.start : chunk.start + len(chunk.pixels)] = chunk.pixels
            bounds.append(chunk.start + len(chunk.pixels))

    def replay() -> Generator[FrameChunk]:
        for start, stop in pairwise(bounds):
            assert pixels is not None, "there is a chunk where there are bounds"
            yield FrameChunk(start=start, pixels=pixels[start:stop])

    return replay


def resized_here(encoder: VideoEncoder, planned: PlannedVideo, frames: Frames) -> Frames:
    """Return frames that another process decodes and, unless the device does it, resizes."""
    if encoder.host_resize is not None:
        return frames
    return lambda: (encoder.resize(chunk, planned.plan) for chunk in frames())


def resized(
    encoder: VideoEncoder, planned: PlannedVideo, *, threads: int | None = None
) -> Generator[FrameChunk]:
    """Yield the planned frames at the size that the encoder sees.

    They are decoded by `threads`, by default one for each core.
    """
    frames, threads = encoder.chunk_frames, threads or len(sched_getaffinity(0))
    plan = planned.plan
    for chunk in decode_frames(planned.index, plan, chunk_frames=frames, threads=threads):
        yield encoder.resize(chunk, plan)


def ahead(chunks: Generator[FrameChunk]) -> Generator[FrameChunk]:
    """Yield chunks, the next one made in a thread while the caller uses the last.

    At most one chunk is made ahead. However the caller stops, `chunks` is closed.
    """
    with closing(chunks), ThreadPoolExecutor(max_workers=1) as worker:
        coming = worker.submit(next, chunks, None)
        while (chunk := coming.result()) is not None:
            coming = worker.submit(next, chunks, None)
            yield chunk


def recorded_pixels(plan: FramePlan, dtype: torch.dtype = torch.uint8) -> Tensor:
    """Allocate room for the resized pixels [F, 3, H, W] of a video."""
    shape = (len(plan.source_index), 3, *plan.resized_size)
    return allocate(shape, dtype)


def record_pixels(chunks: Iterator[FrameChunk], into: Tensor | None) -> Iterator[FrameChunk]:
    """Yield `chunks` while copying their pixels into `into` [F, 3, H, W] uint8, if any.

    Pixels that the model's processor leaves between two levels are rounded there: methods score
    levels.
    """
    for chunk in chunks:
        if into is not None:
            into[chunk.start : chunk.start + len(chunk.pixels)] = levels(chunk.pixels)
        yield chunk


def levels(pixels: Tensor) -> Tensor:
    """Return pixels as whole levels: uint8 as they are, others rounded, in their own dtype."""
    return pixels.round().clamp(0, 255) if pixels.is_floating_point() else pixels


def pixel_source(pixels: Tensor, encoder: VideoEncoder) -> PixelSource:
    """Return the pixels [F, 3, H, W] of a video as a source of the encoder's chunks in uint8.

    Rows and columns at the end that make no cell are left out: towers that cut images into patches
    themselves leave them out too.
    """
    height, width = pixels.shape[-2:]
    h, w = encoder.rules.cells(height, width)
    seen = pixels[..., : height // h * h, : width // w * w]
    return PixelSource(
        chunks=lambda: (levels(some).byte() for some in torch.split(seen, encoder.chunk_frames)),
        temporal_patch_size=encoder.rules.temporal_patch_size,
    )
