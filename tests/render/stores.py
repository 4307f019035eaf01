"""Stores with known kept cells, pruned from flat videos whose colours are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import torch
from numpy.typing import NDArray

from evscli import prune_video
from evscli.records import PrunedVideo, RunConfig
from evscli.store import StoreWriter

LIGHT = (210, 180, 150)
QUARTERS = ((220, 60, 60), (60, 200, 60), (70, 70, 220), (220, 220, 80))
"""Colours of the top left, top right, bottom left and bottom right."""


def flat_video(
    path: Path,
    *,
    size: tuple[int, int] = (96, 128),
    frames: int = 16,
    fps: int = 8,
    rotation: int = 0,
    colours: tuple[tuple[int, int, int], ...] = (LIGHT,),
) -> Path:
    """One colour a frame; `size` is (height, width) as coded, `colours` share the frames out."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "4", "bf": "0"})
        stream.height, stream.width = size
        stream.pix_fmt = "yuv444p" if size[0] % 2 or size[1] % 2 else "yuv420p"
        if rotation:
            stream.set_display_rotation(rotation)
        for number in range(frames):
            colour = colours[number * len(colours) // frames]
            picture = np.full((*size, 3), colour, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def quartered_video(path: Path, *, rotation: int = 0) -> Path:
    """Four quarters of four colours, as coded."""
    picture = np.zeros((96, 128, 3), dtype=np.uint8)
    quarters = [(0, 0), (0, 1), (1, 0), (1, 1)]
    for (row, column), colour in zip(quarters, QUARTERS, strict=True):
        picture[48 * row : 48 * row + 48, 64 * column : 64 * column + 64] = colour
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=8, options={"crf": "4", "bf": "0"})
        stream.height, stream.width = 96, 128
        stream.pix_fmt = "yuv444p"
        if rotation:
            stream.set_display_rotation(rotation)
        for _ in range(16):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def known_record(
    video: Path,
    mask: Callable[[tuple[int, int, int]], NDArray[np.bool_]] | None = None,
    **given: object,
) -> PrunedVideo:
    """`video` pruned by mini, its kept cells replaced by `mask(grid_thw) [T, h, w]`."""
    record = prune_video(video, budget=0.4, **{"method": "random", **given})  # type: ignore[arg-type]
    if mask is None:
        return record
    keep = torch.from_numpy(mask(record.info.grid_thw))
    positions = keep.nonzero().int()
    embeds = record.embeds[:1].expand(len(positions), -1).clone()
    planes = record.deepstack
    return replace(
        record,
        info=replace(record.info, kept=len(positions)),
        keep_mask=keep,
        position_ids=positions,
        embeds=embeds,
        deepstack=None if planes is None else planes[:, :1].expand(-1, len(positions), -1).clone(),
    )


def write_store(folder: Path, *records: PrunedVideo) -> Path:
    """A store of records."""
    with StoreWriter(folder, RunConfig(settings={})) as writer:
        for record in records:
            writer.add(record)
    return folder


def checkerboard(grid_thw: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Every other cell, the others in the next temporal patch."""
    t, h, w = np.indices(grid_thw)
    mask: NDArray[np.bool_] = (t + h + w) % 2 == 0
    return mask
