"""Ways to sample frames of a long clip.

The clip is 1280x720 H.264 with B-frames, made here: a camera that wanders over a rough texture.
Every way runs on one thread and ends with the same RGB pixels in one array (checked). The figures
are processor time, which other work on the machine disturbs little.

A longer clip of 1920x1080, the same 50 seconds again and again, is also read by the video loading
of transformers and, where it can be imported, by torchcodec in its exact mode. torchcodec needs
FFmpeg's libraries by their plain names: a folder of links to those that PyAV brings, such as
`libavcodec.so.62`, and theirs, in LD_LIBRARY_PATH, has both use the same ones.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path

import av
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.harness import Benchmark, Report
from benchmarks.harness.turns import Spread, Turns, medians_of, ranges_of, take_turns
from evscli.records import FloatArray, IntArray, Sampling
from evscli.video import decode_frames, index_video, plan_frames

FPS = 30
GROUPS = (60, 250)
"""The frames between key frames: two seconds, as in streaming services, and x264's default."""

WANTED = (16, 64)
LONG_WANTED = 64

LOOP_MINUTES = 5 / 6
"""The minutes of the longer clip that are made, a whole number of its groups."""

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


def by_transformers(path: Path, wanted: int) -> Pixels:
    """Read by the video loading of transformers, with its default of PyAV."""
    from transformers.video_utils import load_video

    pixels, _ = load_video(str(path), num_frames=wanted, sample_indices_fn=_sampler(wanted))
    return np.asarray(pixels)


def _sampler(wanted: int) -> Callable[..., IntArray]:
    return lambda metadata, **_: Uniform(wanted).sample(metadata.total_num_frames, FPS)


def by_torchcodec(path: Path, wanted: int) -> Pixels:
    """Read by torchcodec in its exact mode, on one thread."""
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(str(path), seek_mode="exact", num_ffmpeg_threads=1)
    numbers = Uniform(wanted).sample(len(decoder), FPS).tolist()
    pixels: Pixels = decoder.get_frames_at(numbers).data.permute(0, 2, 3, 1).numpy()
    return pixels


def peers() -> dict[str, Way]:
    """Return evs and the libraries that it is compared with on the longer clip."""
    import transformers.video_utils  # noqa: F401 - its import is not measured

    ways: dict[str, Way] = {"ours": planned, "transformers": by_transformers}
    try:
        import torchcodec.decoders  # noqa: F401 - it loads FFmpeg
    except (ImportError, RuntimeError, OSError):  # absent, or without libraries that suit it
        return ways
    return ways | {"torchcodec": by_torchcodec}


WAYS: dict[str, Way] = {"ours": planned, "kept": decode_all, "all": convert_all}
NAMES = {
    "ours": "evs (index, seek, convert kept)",
    "kept": "decode all, convert kept",
    "all": "decode all, convert all",
    "transformers": "transformers' load_video",
    "torchcodec": "torchcodec, exact mode",
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


def repeat_clip(clip: Path, path: Path, *, times: int) -> None:
    """Write a clip that shows another several times, with its packets as they are."""
    with av.open(str(clip)) as old, av.open(str(path), "w") as new:
        source = old.streams.video[0]
        copy = new.add_stream_from_template(source)
        assert source.duration is not None
        for turn in range(times):
            old.seek(0)
            for packet in old.demux(source):
                if packet.pts is None or packet.dts is None:
                    continue
                packet.pts += turn * source.duration
                packet.dts += turn * source.duration
                packet.stream = copy
                new.mux(packet)


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


def compare(path: Path, wanted: int, repeats: int, ways: Mapping[str, Way]) -> Turns[Pixels]:
    """Run every way in turns, and check that their pixels are equal."""

    def check(pixels: Mapping[str, Pixels]) -> None:
        other = [name for name in ways if not np.array_equal(pixels[name], pixels["ours"])]
        assert not other, f"{other} have other pixels"

    runs = {name: partial(way, path, wanted) for name, way in ways.items()}
    return take_turns(runs, rounds=repeats, warm=0, check=check, clock=time.process_time)


def measure(
    *,
    minutes: float = 2.0,
    repeats: int = 2,
    height: int = 720,
    long_minutes: float = 10.0,
    long_height: int = 1080,
) -> Report:
    """Measure clips of `minutes` and `height`, and a longer one, with medians of `repeats` runs."""
    with tempfile.TemporaryDirectory() as folder:
        table, spreads = _ways(Path(folder), minutes, repeats, _size(height))
        size = _size(long_height)
        peers_table, more = _peers(Path(folder), long_minutes, repeats, size)
    return Report(
        title="Sampling frames of a long clip",
        body=(
            f"{minutes:g} minutes of {_size(height)[1]}x{height} H.264 at {FPS} fps with B-frames, "
            f"medians (least to most) of {repeats} runs that take turns, one thread each, in "
            "seconds of processor time; pixels equal bit for bit.\n\n"
            "| frames per group | frames wanted | way | CPU seconds | times ours |\n"
            f"|---|---|---|---|---|\n{table}\n\n"
            f"{LONG_WANTED} frames of {long_minutes:g} minutes of {size[1]}x{size[0]}, "
            f"{GROUPS[-1]} frames per group, measured in the same way.\n\n"
            f"| way | CPU seconds | times ours |\n|---|---|---|\n{peers_table}"
        ),
        figures=medians_of(spreads | more),
        spread=ranges_of(spreads | more),
    )


def _size(height: int) -> tuple[int, int]:
    return height, height * 16 // 9


def _ways(
    folder: Path, minutes: float, repeats: int, size: tuple[int, int]
) -> tuple[str, dict[str, Spread]]:
    """Measure the ways of PyAV on clips of every length of groups."""
    spreads: dict[str, Spread] = {}
    rows = []
    for group in GROUPS:
        path = folder / f"{group}.mp4"
        write_clip(path, minutes=minutes, group=group, size=size)
        index = {"index": partial(lambda p: index_video(p).pts, path)}
        alone = take_turns(index, rounds=repeats, clock=time.process_time).of("index")
        spreads[f"{group} index"] = alone
        for wanted in WANTED:
            turns = compare(path, wanted, repeats, WAYS)
            for name in WAYS:
                spreads |= _spreads(turns, name, f"{group} {wanted} {name}")
                rows.append(f"| {group} | {wanted} | {_row(turns, name)} |")
        rows.append(f"| {group} | - | of which the index | {alone.text()} | |")
    return "\n".join(rows), spreads


def _peers(
    folder: Path, minutes: float, repeats: int, size: tuple[int, int]
) -> tuple[str, dict[str, Spread]]:
    """Measure evs and other libraries on the longer clip."""
    once = min(minutes, LOOP_MINUTES)
    write_clip(folder / "once.mp4", minutes=once, group=GROUPS[-1], size=size)
    repeat_clip(folder / "once.mp4", folder / "long.mp4", times=max(1, round(minutes / once)))
    ways = peers()
    turns = compare(folder / "long.mp4", LONG_WANTED, repeats, ways)
    spreads: dict[str, Spread] = {}
    for name in ways:
        spreads |= _spreads(turns, name, f"long {name}")
    return "\n".join(f"| {_row(turns, name)} |" for name in ways), spreads


def _spreads(turns: Turns[Pixels], name: str, key: str) -> dict[str, Spread]:
    return {key: turns.of(name), f"{key} / ours": turns.ratio(name, "ours")}


def _row(turns: Turns[Pixels], name: str) -> str:
    return f"{NAMES[name]} | {turns.of(name).text()} | {turns.ratio(name, 'ours').text('.1f')}"


BENCHMARK = Benchmark(
    measure=measure,
    smoke={
        "minutes": 0.04,
        "repeats": 1,
        "height": 144,
        "long_minutes": 0.08,
        "long_height": 144,
    },
    code=(
        "video/index.py",
        "video/scan.py",
        "video/cursor.py",
        "video/decode.py",
        "video/events.py",
        "video/skipping.py",
    ),
    minutes=12,
)
