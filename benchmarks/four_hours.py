"""Four hours of video in one piece: peak memory against a minute, and against all in memory.

A minute is encoded once, and its packets are repeated up to each length. Every command prunes one
video with mini. It takes the machine for one without free memory, so that what is large lies in
scratch files; the longest video is then pruned as on a machine whose memory holds all of it, and
both stores must have the same bytes. Anonymous memory is that of the process that encodes and
writes, as in `memory.py`.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from benchmarks.harness import Benchmark, Report
from benchmarks.harness.peaks import LITTLE, PLENTY, peak_of
from evscli.store import open_store
from evscli.store.schema import list_shards, token_bytes

FPS, HEIGHT, WIDTH = 2, 144, 256
FRAMES = 60 * FPS
"""The frames of the minute that is repeated."""

CHOSEN = ("--method", "vcast", "--budget", "0.05", "--fps", str(FPS), "--model", "mini")
ALL_FRAMES = ("--max-frames", "1000000", "--total-pixels", str(1 << 50))
"""The options without which a processor takes few frames of a long video, or small ones."""


def write_minute(path: Path) -> None:
    """Write a minute in which a texture drifts and a square crosses it, with two scenes."""
    noise = np.random.default_rng(0).integers(0, 255, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
    picture = noise.repeat(8, axis=0).repeat(8, axis=1)
    with av.open(str(path), "w") as container:
        options = {"preset": "ultrafast", "g": "20", "bf": "0"}
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for number in range(FRAMES):
            scene = picture if number < FRAMES // 2 else picture[::-1]
            frame = np.roll(scene, 4 * number, axis=1)
            left = 4 * number % (WIDTH - 24)
            frame[48:72, left : left + 24] = (255, 40, 40)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def repeat(minute: Path, path: Path, minutes: int) -> None:
    """Write the packets of a minute again and again."""
    with av.open(str(minute)) as source, av.open(str(path), "w") as container:
        (stream,) = source.streams.video
        copy = container.add_stream_from_template(stream)
        assert stream.time_base is not None
        length = round(60 / stream.time_base)
        packets = [packet for packet in source.demux(stream) if packet.size]
        for number in range(minutes):
            for packet in packets:
                again = av.Packet(bytes(packet))
                again.stream, again.time_base = copy, stream.time_base
                again.pts = again.dts = number * length + (packet.pts or 0)
                again.duration, again.is_keyframe = packet.duration, packet.is_keyframe
                container.mux(again)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One video pruned in a process of its own."""

    name: str
    store: Path
    peak: float
    """The peak of anonymous memory in MiB."""
    seconds: float

    @property
    def row(self) -> str:
        """The row of the table."""
        store = open_store(self.store)
        info = store.info(next(iter(store)))
        size = info.tokens * token_bytes(info.model) / 2**20
        cells = f"{info.tokens:,} | {size:,.0f} MiB | {info.kept:,}"
        return f"| {self.name} | {cells} | {self.peak:,.0f} MiB | {self.seconds:.1f} s |"


def prune(folder: Path, minute: Path, minutes: int, *, in_memory: bool = False) -> Run:
    """Make a video of `minutes` minutes and prune it."""
    clip = folder / f"{minutes}.mp4"
    if not clip.exists():
        repeat(minute, clip, minutes)
    place = "memory" if in_memory else "scratch files"
    store = folder / f"{minutes} in {place}"
    command = ["prune", str(clip), *CHOSEN, *ALL_FRAMES, "-o", str(store)]
    peak, seconds = peak_of(command, before=PLENTY if in_memory else LITTLE)
    return Run(name=f"{minutes} min, in {place}", store=store, peak=peak, seconds=seconds)


def check_equal(one: Path, other: Path) -> None:
    """Raise SystemExit unless two stores have the same shards, byte for byte."""
    first, second = ([path.read_bytes() for path in list_shards(each)] for each in (one, other))
    if first != second:
        raise SystemExit("the stores differ")


def measure(*, minutes: int = 240, middle: int = 60, short: int = 1) -> Report:
    """Prune videos of `short`, `middle` and `minutes` minutes, and the longest in memory too."""
    with tempfile.TemporaryDirectory(prefix="evs-hours-") as temporary:
        folder = Path(temporary)
        minute = folder / "minute.mp4"
        write_minute(minute)
        brief, medium, long = (prune(folder, minute, each) for each in (short, middle, minutes))
        held = prune(folder, minute, minutes, in_memory=True)
        check_equal(long.store, held.store)
        rows = "\n".join(run.row for run in (brief, medium, long, held))
    return Report(
        title="Four hours of video in one piece",
        body=(
            f"mini, V-CAST at 0.05, {FPS} frames a second of {WIDTH}x{HEIGHT}; memory of the "
            "process that encodes and writes, its decoder processes not counted. The two stores "
            "of the longest video have the same bytes.\n\n"
            "| video | tokens | in bytes | kept | peak anonymous | time |\n"
            f"|---|---:|---:|---:|---:|---:|\n{rows}\n\n"
            f"{middle} minutes peak {medium.peak - brief.peak:,.0f} MiB above {short}, "
            f"{minutes} minutes {long.peak - brief.peak:,.0f} MiB."
        ),
        figures={
            "short": brief.peak,
            "middle": medium.peak,
            "long": long.peak,
            "held": held.peak,
            "middle, above": medium.peak - brief.peak,
            "long, above": long.peak - brief.peak,
            "long, seconds": long.seconds,
            "held, seconds": held.seconds,
        },
    )


BENCHMARK = Benchmark(
    measure=measure,
    smoke={"minutes": 3, "middle": 2, "short": 1},
    code=(
        "scratch.py",
        "corpus/decoding/ahead.py",
        "pipeline/planned.py",
        "pipeline/frames.py",
        "pipeline/record.py",
        "encoders/encoder.py",
    ),
    minutes=11,
)
