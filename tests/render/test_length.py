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
from tests.store import samples
from tests.store.processes import finish, start

pytestmark = pytest.mark.slow

MIB = 1 << 20
SIZE = (192, 256)
SHORT, LONG = 24, 90
"""Seconds. All pictures of the long one would take 26 MB more than what is needed."""


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


def every_frame(frames: int) -> PrunedVideo:
    """A record of a video of so many frames, all of which were sampled."""
    record = samples.record(grid=(frames // 2, SIZE[0] // 16, SIZE[1] // 16))
    sizes = {"source_size": SIZE, "resized_size": SIZE}
    info = replace(record.info, source_frames=frames, duration=frames / 2, source_fps=2.0, **sizes)
    index = torch.arange(frames)
    return replace(record, info=info, source_index=index, frame_times=index.double() / 2)


def draw(folder: Path) -> None:
    """A sheet and an overlay of a short video, then of a long one, which may not take more."""
    peaks = []
    for seconds in (SHORT, LONG):
        video = write_long(folder / f"{seconds}.mp4", seconds)
        (view,) = views_of([(Path("s"), every_frame(2 * seconds))], scores=False, must=False)
        source = index_video(video)
        assert source.duration == pytest.approx(seconds)
        sheet, shown = contact_sheet(view, source, frames=24)
        write_overlay(view, source, folder / "overlay.mp4", advance=lambda _: None)
        assert shown == 24
        assert sheet.width == 1920
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    grown = peaks[1] - peaks[0]
    print("GROWN", grown / MIB, flush=True)
    assert grown < 12 * MIB, f"{grown / MIB:.0f} MiB more for the long one"


def test_a_long_video_takes_the_memory_of_a_short_one(tmp_path: Path) -> None:
    finish(start(draw, tmp_path))
