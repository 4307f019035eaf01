"""Peak anonymous memory of `evs prune` on a ten-minute clip against a ten-second one.

Both clips are made here, and so is a checkpoint whose tokens are as large as a 2B model's
(width 2048, three DeepStack planes) while its tower is small enough for a CPU. Anonymous memory
is RssAnon of the process that encodes and writes, read every 10 ms. The memory of its decoder
processes is not in it, and tokens in scratch files do not count as anonymous. The command takes the
machine for one without free memory, or tokens would stay there.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import torch
from transformers import AutoModelForImageTextToText, Qwen3VLConfig

from benchmarks.harness import Benchmark, Report
from benchmarks.harness.peaks import peak_of
from evscli.store import open_store

FPS, HEIGHT, WIDTH = 24, 360, 640


def write_clip(path: Path, seconds: int) -> None:
    """Write a textured picture that drifts and rolls over."""
    noise = np.random.default_rng(0).integers(0, 255, (HEIGHT // 4, WIDTH // 4, 3), dtype=np.uint8)
    picture = noise.repeat(4, axis=0).repeat(4, axis=1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for number in range(seconds * FPS):
            frame = np.roll(picture, (number // 3, number), axis=(0, 1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def write_checkpoint(folder: Path) -> None:
    """Write a checkpoint of wide tokens from a narrow tower, with an unread language part."""
    vision = {
        "depth": 3,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_heads": 2,
        "out_hidden_size": 2048,
        "num_position_embeddings": 2304,
        "deepstack_visual_indexes": [0, 1, 2],
    }
    text = {
        "hidden_size": 2048,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 16,
        "num_key_value_heads": 1,
        "vocab_size": 64,
        "pad_token_id": 0,
        "bos_token_id": 0,
        "eos_token_id": 0,
    }
    config = Qwen3VLConfig(vision_config=vision, text_config=text)
    model = AutoModelForImageTextToText.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    processor = {
        "video_processor_type": "Qwen3VLVideoProcessor",
        "size": {"shortest_edge": 4096, "longest_edge": 25165824 * 8},
    }
    (folder / "video_preprocessor_config.json").write_text(json.dumps(processor))


@dataclass(frozen=True, kw_only=True)
class Run:
    """One clip pruned in a process of its own."""

    tokens: int
    kept: int
    peak: float
    """The peak of anonymous memory in MiB."""
    elapsed: float

    @property
    def size(self) -> float:
        """The MiB of the tokens before pruning."""
        return self.tokens * 2048 * 2 * 4 / 2**20


def prune(folder: Path, seconds: int, method: str, budget: str) -> Run:
    """Make a clip and prune it."""
    clip, store = folder / f"{seconds}.mp4", folder / f"store-{seconds}"
    write_clip(clip, seconds)
    command = ["prune", str(clip), "--method", method, "--budget", budget]
    peak, elapsed = peak_of([*command, "--model", str(folder / "model"), "-o", str(store)])
    info = open_store(store).info(str(seconds))
    return Run(tokens=info.tokens, kept=info.kept, peak=peak, elapsed=elapsed)


def measure(
    *, method: str = "vcast", budget: str = "0.3", seconds: int = 600, short: int = 10
) -> Report:
    """Compare a clip of `seconds` seconds with one of `short` seconds."""
    with tempfile.TemporaryDirectory(prefix="evs-memory-") as temporary:
        folder = Path(temporary)
        write_checkpoint(folder / "model")
        runs = {length: prune(folder, length, method, budget) for length in {short, seconds}}
    rows = "\n".join(
        f"| {length} s | {run.tokens:,} | {run.size:,.0f} MiB | {run.kept:,} | {run.peak:,.0f} MiB "
        f"| {run.elapsed:.1f} s |"
        for length, run in sorted(runs.items())
    )
    above = runs[seconds].peak - runs[short].peak
    return Report(
        title="Peak anonymous memory against length",
        body=(
            f"{method} at {budget}, {WIDTH}x{HEIGHT} at {FPS} fps; memory of the process that "
            "encodes and writes, its decoder processes not counted.\n\n"
            "| clip | tokens | tokens in bytes | kept | peak anonymous | time |\n"
            f"|---|---:|---:|---:|---:|---:|\n{rows}\n\nDifference: {above:,.0f} MiB."
        ),
        figures={"difference": above, "tokens, GiB": runs[seconds].size / 1024},
    )


BENCHMARK = Benchmark(
    measure=measure,
    smoke={"seconds": 2, "short": 2},
    code=(
        "scratch.py",
        "pipeline/planned.py",
        "pipeline/frames.py",
        "pipeline/record.py",
        "encoders/encoder.py",
    ),
    minutes=1.5,
)
