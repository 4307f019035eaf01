"""Ways to sample frames of a long clip.

The clip is 1280x720 H.264 with B-frames, made here: a camera that wanders over a rough texture.
Our ways run on one thread, and transformers' readers with the threads that these choose. All end
with the same RGB pixels in one array (checked), but for torchcodec, where it is installed, whose
conversion of colours is its own. The figures are processor time of all threads, which other work on
the machine disturbs little.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from numpy.typing import NDArray
from transformers.utils import is_torchcodec_available
from transformers.video_utils import load_video

from benchmarks.harness import Benchmark, Report
from benchmarks.harness.turns import Spread, Turns, medians_of, ranges_of, take_turns
from evscli.records import FloatArray, IntArray, Sampling
from evscli.video import decode_frames, index_video, plan_frames

FPS = 30
GROUPS = (60, 250)
"""The frames between key frames: two seconds, as in streaming services, and x264's default."""

WANTED = (16, 64)

Pixels = NDArray[np.uint8]
Way = Callable[[Path, int], Pixels]


class Uniform:
    """Sampling rules with a number of frames spread over the clip, which keep its size."""

    patch_size = 16
    temporal_patch_size = 2
    merge_size = 1
    sampling = Sampling()

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted

    def sample(self, frames: int, fps: float) -> IntArray:  # noqa: ARG002
        """Return [F] evenly spread frame numbers."""
        return np.linspace(0, frames - 1, self.wanted).round().astype(np.int64)

    def resized_size(self, frames: int, height: int, width: int) -> tuple[int, int]:  # noqa: ARG002
        """Return the size given."""
        return height, width

    def cells(self, height: int, width: int) -> tuple[int, int]:
        """Return the cells of a size."""
        cell = self.patch_size * self.merge_size
        return height // cell, width // cell

    def prompt_times(self, source_index: IntArray, fps: float) -> FloatArray:
        """Return [T] index / fps."""
        return source_index[::2] / fps


def planned(path: Path, wanted: int) -> Pixels:
    """Read as evs does: index by demuxing, seek per group of frames, convert the frames kept."""
    index = index_video(path)
    plan = plan_frames(index, Uniform(wanted))
    chunks = decode_frames(index, plan, chunk_frames=16)
    return torch.cat([chunk.pixels for chunk in chunks]).permute(0, 2, 3, 1).numpy()


def decode_all(path: Path, wanted: int) -> Pixels:
    """Decode up to the last frame, convert the frames kept, as transformers' PyAV reader does."""
    numbers = _numbers(path, wanted)
    frames = [frame for number, frame in _enumerated(path, numbers[-1]) if number in numbers]
    return np.stack([frame.to_ndarray(format="rgb24") for frame in frames])


def convert_all(path: Path, wanted: int) -> Pixels:
    """Decode and convert every frame, then choose: the cost of reading a whole clip."""
    numbers = _numbers(path, wanted)
    kept = []
    for number, frame in _enumerated(path, numbers[-1]):
        pixels = frame.to_ndarray(format="rgb24")
        if number in numbers:
            kept.append(pixels)
    return np.stack(kept)


def by_transformers(backend: str, path: Path, wanted: int) -> Pixels:
    """Read with the video loading of transformers and one of its backends."""

    def chosen(metadata: Any, **_: object) -> list[int]:
        numbers = Uniform(wanted).sample(metadata.total_num_frames, metadata.fps)
        return [int(number) for number in numbers]

    video, _ = load_video(str(path), backend=backend, sample_indices_fn=chosen)
    return torch.as_tensor(video).movedim(*MOVED[backend]).numpy()


MOVED = {"pyav": (-1, -1), "torchcodec": (1, -1)}
"""The axis of colours in what a backend returns, and its place in our array."""
TORCHCODEC = "torchcodec"
WAYS: dict[str, Way] = {
    "ours": planned,
    "kept": decode_all,
    "all": convert_all,
    "transformers": partial(by_transformers, "pyav"),
    **({TORCHCODEC: partial(by_transformers, TORCHCODEC)} if is_torchcodec_available() else {}),
}
NAMES = {
    "ours": "evs (index, seek, convert kept)",
    "kept": "decode all, convert kept",
    "all": "decode all, convert all",
    "transformers": "transformers' reader with PyAV",
    TORCHCODEC: "transformers' reader with torchcodec",
}


def _numbers(path: Path, wanted: int) -> list[int]:
    with av.open(str(path)) as container:
        frames = container.streams.video[0].frames
    return [int(number) for number in Uniform(wanted).sample(frames, FPS)]


def _enumerated(path: Path, last: int) -> Iterator[tuple[int, av.VideoFrame]]:
    with av.open(str(path)) as container:
        container.streams.video[0].thread_count = 1
        for number, frame in enumerate(container.decode(video=0)):
            yield number, frame
            if number == last:
                return


def write_clip(path: Path, *, minutes: float, group: int, size: tuple[int, int]) -> None:
    """Write the clip that is sampled."""
    texture = _texture(*size)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast"})
        stream.height, stream.width = size
        stream.pix_fmt, stream.gop_size = "yuv420p", group
        for number in range(round(minutes * 60 * FPS)):
            top = round(200 + 190 * np.sin(number / 90))
            left = round(300 + 290 * np.sin(number / 130))
            view = np.ascontiguousarray(texture[top : top + size[0], left : left + size[1]])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="rgb24")))
        container.mux(stream.encode(None))


@cache
def _texture(height: int, width: int) -> Pixels:
    """Return noise of many scales, as in natural pictures, larger by [400, 600, 3]."""
    random, height, width = np.random.default_rng(0), height + 400, width + 600
    total = np.zeros((height, width, 3), np.float32)
    for scale in (4, 8, 16, 32, 64, 128):
        coarse = torch.from_numpy(random.normal(size=(1, 3, height // scale, width // scale)))
        smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
        total += scale**0.7 * smooth[0].permute(1, 2, 0).numpy()
    pixels: Pixels = np.clip(128 + 40 * total / total.std(), 0, 255).astype(np.uint8)
    return pixels


def compare(path: Path, wanted: int, repeats: int) -> Turns[Pixels]:
    """Run every way in turns, and check that their pixels are equal."""

    def check(pixels: Mapping[str, Pixels]) -> None:
        equal = {name for name in WAYS if np.array_equal(pixels[name], pixels["ours"])}
        assert equal >= {*WAYS} - {TORCHCODEC}, f"only {equal} have the same pixels"
        assert all(some.shape == pixels["ours"].shape for some in pixels.values())

    ways = {name: partial(way, path, wanted) for name, way in WAYS.items()}
    return take_turns(ways, rounds=repeats, check=check, clock=time.process_time)


def measure(*, minutes: float = 2.0, repeats: int = 2, height: int = 720) -> Report:
    """Measure clips of `minutes` and `height`, with medians of `repeats` runs."""
    size = (height, height * 16 // 9)
    aside = ", those of torchcodec aside" if TORCHCODEC in WAYS else ""
    spreads: dict[str, Spread] = {}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for group in GROUPS:
            path = Path(folder) / f"{group}.mp4"
            write_clip(path, minutes=minutes, group=group, size=size)
            index = {"index": partial(lambda p: index_video(p).pts, path)}
            alone = take_turns(index, rounds=repeats, clock=time.process_time).of("index")
            spreads[f"{group} index"] = alone
            for wanted in WANTED:
                turns = compare(path, wanted, repeats)
                for name in WAYS:
                    taken, ratio = turns.of(name), turns.ratio(name, "ours")
                    spreads[f"{group} {wanted} {name}"] = taken
                    spreads[f"{group} {wanted} {name} / ours"] = ratio
                    cells = f"{NAMES[name]} | {taken.text()} | {ratio.text('.1f')}"
                    rows.append(f"| {group} | {wanted} | {cells} |")
            rows.append(f"| {group} | - | of which the index | {alone.text()} | |")
    table = "\n".join(rows)
    return Report(
        title="Sampling frames of a long clip",
        body=(
            f"{minutes:g} minutes of {size[1]}x{size[0]} H.264 at {FPS} fps with B-frames, medians "
            f"(least to most) of {repeats} runs that take turns, in seconds of processor time of "
            f"all threads, one in ours; pixels equal bit for bit{aside}.\n\n"
            "| frames per group | frames wanted | way | CPU seconds | times ours |\n"
            f"|---|---|---|---|---|\n{table}"
        ),
        figures=medians_of(spreads),
        spread=ranges_of(spreads),
    )


BENCHMARK = Benchmark(
    measure=measure,
    smoke={"minutes": 0.04, "repeats": 1, "height": 144},
    code=("video/index.py", "video/scan.py", "video/cursor.py", "video/decode.py"),
    minutes=2.5,
)
