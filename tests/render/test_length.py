"""Pictures of a long video take no more memory than those of a short one."""

from __future__ import annotations

import resource
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from evscli.records import PrunedVideo
from evscli.render.overlay import write_overlay
from evscli.render.sheet import contact_sheet
from evscli.render.views import views_of
from evscli.video import index_video
from tests.render.stores import known_record
from tests.store.processes import finish, start

pytestmark = pytest.mark.slow

MIB = 1 << 20
SIZE = (192, 256)
SHORT, LONG = 48, 180
"""Seconds. All pictures of the long one would take 53 MB more than what is needed."""


def write_long(path: Path, seconds: int) -> Path:
    """So many seconds of two frames each, a scene every quarter of a minute."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=2, options={"preset": "ultrafast"})
        stream.height, stream.width = SIZE
        stream.pix_fmt = "yuv420p"
        for number in range(2 * seconds):
            picture = np.full((*SIZE, 3), 40 + number // 30 * 53 % 180, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def many_frames(record: PrunedVideo, frames: int) -> PrunedVideo:
    """The record as if every frame of its video had been sampled."""
    _, h, w = record.info.grid_thw
    mask = torch.rand((frames // 2, h, w), generator=torch.Generator().manual_seed(0)) < 0.25
    info = replace(record.info, grid_thw=(frames // 2, h, w), kept=int(mask.sum()))
    index = torch.arange(frames)
    return replace(
        record, info=info, keep_mask=mask, source_index=index, frame_times=index.double() / 2
    )


def draw(folder: Path) -> None:
    """A sheet and an overlay of a short video, then of a long one, which may not take more."""
    peaks = []
    for seconds in (SHORT, LONG):
        video = write_long(folder / f"{seconds}.mp4", seconds)
        record = many_frames(known_record(video), 2 * seconds)
        (view,) = views_of([(Path("s"), record)], scores=False, must=False)
        source = index_video(video)
        assert source.duration == pytest.approx(seconds)
        sheet, shown = contact_sheet(view, source, frames=48)
        write_overlay(view, source, folder / "overlay.mp4", advance=lambda _: None)
        assert shown == 48
        assert sheet.width == 1920
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    grown = peaks[1] - peaks[0]
    assert grown < 36 * MIB, f"{grown / MIB:.0f} MiB more for the long one"


def test_a_long_video_takes_the_memory_of_a_short_one(tmp_path: Path) -> None:
    finish(start(draw, tmp_path))
