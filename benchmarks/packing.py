"""Short clips: several in one call of the tower, against one clip after the other.

The same clips, under different ids, go through an encoder that takes chunks of frames, and through
one that takes so many patches at a time. First the tower alone, on frames that are decoded and
resized already; then whole runs of the local engine. All ways take turns in one process with the
encoders loaded. Tokens may differ in their last bits; the largest difference is given.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.corpus import Silent
from benchmarks.end_to_end import SAMPLED, write_checkpoint, write_clip
from benchmarks.harness import Benchmark, Report, check_device
from benchmarks.harness.towers import QWEN3_VL_2B, WIDE_384
from benchmarks.harness.turns import Spread, Turns, clock_of, medians_of, ranges_of, take_turns
from evscli.bundled import MINI
from evscli.corpus.executors.engine import Engine
from evscli.corpus.executors.local import prune_corpus
from evscli.encoders import VideoEncoder, load_encoder
from evscli.job.run import BLOCK
from evscli.pipeline import HeldVideo, VideoPruner, encode_held, hold_video, patches_of, plan_video
from evscli.pipeline.frames import resized
from evscli.pruners import check_selection
from evscli.records import VideoInput, VideoTokens

TOWERS: Mapping[str, Mapping[str, Any] | None] = {
    MINI: None,
    "12x384": WIDE_384,
    "Qwen3-VL-2B": QWEN3_VL_2B,
}
"""The sizes of random towers, by the names that `--towers` takes; None for a real checkpoint."""
ONE = "one by one"


@dataclass(frozen=True, kw_only=True)
class Case:
    """Clips and one checkpoint, loaded once for every way."""

    name: str
    folder: Path
    videos: Sequence[VideoInput]
    encoders: Mapping[str, VideoEncoder]
    """The encoder of each way, by its name."""

    def tower_alone(self) -> dict[str, Callable[[], list[Tensor]]]:
        """Return every way to encode frames that are at hand."""
        plain = self.encoders[ONE]
        planned = plan_video(self.videos[0], plain)
        held = hold_video(planned, partial(resized, plain, planned), plain)
        clips = [HeldVideo(planned=planned, chunks=held.chunks) for _ in self.videos]
        return {way: partial(encoded, clips, encoder) for way, encoder in self.encoders.items()}

    def runs(self, device: str) -> dict[str, Callable[[], object]]:
        """Return every way to prune the clips into a store."""
        return {way: partial(self._run, encoder, device) for way, encoder in self.encoders.items()}

    def _run(self, encoder: VideoEncoder, device: str) -> None:
        pruner = VideoPruner(encoder, check_selection("vcast", 0.3))
        engine = Engine(devices=(device,), block=BLOCK if encoder.chunk_patches else 1)
        store = self.folder / "store"
        prune_corpus(self.videos, lambda _: pruner, [store], listener=Silent(), engine=engine)
        shutil.rmtree(store)


def encoded(clips: Sequence[HeldVideo], encoder: VideoEncoder) -> list[Tensor]:
    """Return the tokens of all clips, by groups as a run makes them of clips of one size."""
    most, size = encoder.chunk_patches, patches_of(clips[0].planned, encoder)
    together = 1 if most is None else min(BLOCK, max(1, most // size))
    made: list[VideoTokens] = []
    for block in range(0, len(clips), BLOCK):
        for start in range(block, min(block + BLOCK, len(clips)), together):
            some = clips[start : min(start + together, block + BLOCK)]
            for clip, tokens in zip(some, encode_held(some, encoder, stay=True), strict=True):
                made.append(tokens or encoder.encode(clip.chunks, clip.planned.plan, stay=True))
    return [tokens.embeds for tokens in made]


@contextmanager
def case_of(
    name: str,
    videos: Sequence[VideoInput],
    patches: Sequence[int],
    *,
    seconds: int,
    dtype: str,
    device: str,
) -> Iterator[Case]:
    """Load a tower for every way, in a folder of its own."""
    vision, ways = TOWERS[name], {ONE: None, **{f"{n} patches": n for n in patches}}
    with tempfile.TemporaryDirectory(prefix="evs-packing-") as temporary:
        folder = Path(temporary)
        if vision is not None:
            kind = getattr(torch, dtype)
            write_checkpoint(folder / "model", vision, frames=SAMPLED * seconds, dtype=kind)
        load = partial(
            load_encoder,
            MINI if vision is None else str(folder / "model"),
            device=device,
            dtype=dtype,
        )
        encoders = {way: load(chunk_patches=most) for way, most in ways.items()}
        yield Case(name=name, folder=folder, videos=videos, encoders=encoders)


def difference(turns: Turns[list[Tensor]], way: str) -> float:
    """Return the largest difference to the tokens of clips alone, relative to their largest."""
    pairs = zip(turns.last[way], turns.last[ONE], strict=True)
    return max(float((own - one).abs().max() / one.abs().max()) for own, one in pairs)


def rows_of(name: str, turns: Turns[Any], what: str, clips: int, more: Mapping[str, str]) -> str:
    """Return the rows of a table about all ways."""
    return "\n".join(
        f"| {name} | {what} | {way} | {turns.of(way).text('.3f')} | {clips / taken:.1f} "
        f"| {turns.ratio(ONE, way).text()} | {more.get(way, '')} |"
        for way, taken in turns.medians.items()
    )


def measure(
    *,
    rounds: int = 5,
    clips: int = 40,
    seconds: int = 2,
    height: int = 126,
    patches: str = "8192",
    towers: str = "mini,12x384",
    dtype: str = "float32",
    device: str = "cpu",
) -> Report:
    """Measure `clips` clips of some seconds, with every bound of `patches` and all `towers`."""
    named = check_device(device)
    bounds = [int(word) for word in patches.split(",")]
    spreads: dict[str, Spread] = {}
    off: dict[str, float] = {}
    rows: list[str] = []
    with tempfile.TemporaryDirectory(prefix="evs-packing-clips-") as temporary:
        path = Path(temporary) / "clip.mp4"
        write_clip(path, seconds, height)
        one = VideoInput(id="clip", path=path, root=path.parent)
        videos = [replace(one, id=f"clip-{number:03d}") for number in range(clips)]
        for name in towers.split(","):
            made = case_of(name, videos, bounds, seconds=seconds, dtype=dtype, device=device)
            with made as case:
                alone = take_turns(case.tower_alone(), rounds=rounds, clock=clock_of(device))
                grid = "x".join(map(str, alone.last[ONE][0].shape[:3]))
                far = {way: difference(alone, way) for way in case.encoders if way != ONE}
                texts = {way: f"{value:.1g}" for way, value in far.items()}
                rows.append(rows_of(f"{name}, {grid} tokens", alone, "tower", clips, texts))
                whole = take_turns(case.runs(device), rounds=rounds)
                rows.append(rows_of(name, whole, "run", clips, {}))
                for way in far:
                    spreads[f"{name}, tower, {way}"] = alone.ratio(ONE, way)
                    spreads[f"{name}, run, {way}"] = whole.ratio(ONE, way)
                    off[f"{name}, {way}, difference"] = far[way]
    return Report(
        title="Short clips in one call of the tower",
        body=(
            f"{named}{clips} clips of {seconds} s, {height * 16 // 9}x{height}, {dtype}, blocks of "
            f"{BLOCK}, median (least to most) of {rounds} rounds in turns. The difference is "
            "relative to the largest value. Runs decode, encode, prune by V-CAST at 0.3 and "
            "store.\n\n| tower | what | way | seconds | clips/s | one by one / way | difference |\n"
            "|---|---|---|---:|---:|---:|---:|\n" + "\n".join(rows)
        ),
        figures={**medians_of(spreads), **off},
        spread=ranges_of(spreads),
    )


BENCHMARK = Benchmark(
    measure=measure,
    smoke={"rounds": 1, "clips": 3, "seconds": 1, "height": 72},
    code=(
        "corpus/executors/groups.py",
        "encoders/encoder.py",
        "encoders/together.py",
        "pipeline/together.py",
    ),
    minutes=3,
)
