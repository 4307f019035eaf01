"""Measures the largest report: 768 frames of noise, three stores with scores.

    python -m benchmarks.report_size

Writes results/report_size.md. Noise is what a JPEG shrinks worst, so reports of real videos are
smaller.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import torch

from benchmarks.machine import describe_machine
from evscli import prune_video
from evscli.records import PrunedVideo
from evscli.render.report import html_report
from evscli.render.views import views_of
from evscli.video import index_video

RESULTS = Path(__file__).parent / "results" / "report_size.md"
FRAMES, SIZE, GRID = 768, (720, 1280), (384, 22, 40)


def noisy_video(path: Path) -> Path:
    """Frames of noise of another kind each."""
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 256, (SIZE[0] + 64, SIZE[1] + 64, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.height, stream.width = SIZE
        stream.pix_fmt = "yuv420p"
        for number in range(FRAMES):
            y, x = number % 64, number * 7 % 64
            picture = np.ascontiguousarray(noise[y : y + SIZE[0], x : x + SIZE[1]])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def whole_record(video: Path) -> PrunedVideo:
    """A record as if every frame had been sampled, a quarter of its cells kept, with scores."""
    record = prune_video(video, method="random", budget=0.5)
    scores = torch.rand(GRID, generator=torch.Generator().manual_seed(0))
    mask = scores > 0.75
    index = torch.arange(FRAMES)
    return replace(
        record,
        info=replace(record.info, grid_thw=GRID, kept=int(mask.sum())),
        keep_mask=mask,
        scores=scores.half(),
        source_index=index,
        frame_times=index.double() / 25,
    )


def main() -> None:
    """Measure, print and write."""
    with tempfile.TemporaryDirectory() as folder:
        video = noisy_video(Path(folder) / "noise.mp4")
        record = whole_record(video)
        views = views_of([(Path(name), record) for name in "abc"], scores=True, must=True)
        start = time.perf_counter()
        page = html_report(views, index_video(video))
        seconds = time.perf_counter() - start
    t, h, w = GRID
    text = (
        "# Size of the largest report\n\n"
        f"`python -m benchmarks.report_size`, {describe_machine()}\n\n"
        f"{FRAMES} frames of noise of {SIZE[1]}x{SIZE[0]}, three stores of {t}x{h}x{w} cells with "
        f"scores: {len(page.encode()) / 1e6:.1f} MB, made in {seconds:.0f} s.\n"
    )
    RESULTS.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
