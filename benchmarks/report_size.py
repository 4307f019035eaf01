"""The size of the largest report: 768 frames of noise, three stores with scores.

A JPEG shrinks noise worst, so reports of real videos are smaller.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import torch

from benchmarks.harness import Benchmark, Report
from evscli import prune_video
from evscli.records import PrunedVideo
from evscli.render.report import html_report
from evscli.render.views import views_of
from evscli.video import index_video

SIZE, CELLS = (720, 1280), (22, 40)


def noisy_video(path: Path, frames: int) -> Path:
    """Write a video of `frames` frames, each of another kind of noise."""
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 256, (SIZE[0] + 64, SIZE[1] + 64, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.height, stream.width = SIZE
        stream.pix_fmt = "yuv420p"
        for number in range(frames):
            y, x = number % 64, number * 7 % 64
            picture = np.ascontiguousarray(noise[y : y + SIZE[0], x : x + SIZE[1]])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def whole_record(video: Path, frames: int) -> PrunedVideo:
    """Make a record with every frame sampled, a quarter of its cells kept, and scores."""
    record = prune_video(video, method="random", budget=0.5)
    grid = (frames // 2, *CELLS)
    scores = torch.rand(grid, generator=torch.Generator().manual_seed(0))
    mask = scores > 0.75
    index = torch.arange(frames)
    return replace(
        record,
        info=replace(record.info, grid_thw=grid, kept=int(mask.sum())),
        keep_mask=mask,
        scores=scores.half(),
        source_index=index,
        frame_times=index.double() / 25,
    )


def measure(*, frames: int = 768) -> Report:
    """Measure a report of `frames` frames."""
    with tempfile.TemporaryDirectory() as folder:
        video = noisy_video(Path(folder) / "noise.mp4", frames)
        record = whole_record(video, frames)
        views = views_of([(Path(name), record) for name in "abc"], scores=True, must=True)
        start = time.perf_counter()
        page = html_report(views, index_video(video))
        seconds = time.perf_counter() - start
    size = len(page.encode()) / 1e6
    cells = "x".join(map(str, record.info.grid_thw))
    return Report(
        title="Size of the largest report",
        body=(
            f"{frames} frames of noise of {SIZE[1]}x{SIZE[0]}, three stores of {cells} cells with "
            f"scores: {size:.1f} MB, made in {seconds:.0f} s."
        ),
        figures={"MB": size, "seconds": seconds},
    )


BENCHMARK = Benchmark(
    measure=measure,
    smoke={"frames": 8},
    code=("render/report.py", "render/jpegs.py"),
    minutes=1,
)
