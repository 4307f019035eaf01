"""One long video from file to stored tokens: evs, and the usual code with transformers.

Both sides run in one process and take turns; the encoder is loaded before. The other side
decodes the file from its start with PyAV as the reader of transformers does, resizes all frames at
once, calls transformers' own vision forward, prunes with V-CAST's formulas as they stand and saves
with safetensors. The tower is random and small, so that decoding takes about the same share on a
CPU as beside an encoder on a GPU. Both must end with the same tokens kept.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import AutoModelForImageTextToText, PreTrainedModel, Qwen3VLConfig

from benchmarks.harness import Benchmark, Report
from benchmarks.harness.roofline import Ceiling, Work, measure_ceiling, work_of
from benchmarks.harness.towers import qwen_sizes
from benchmarks.harness.turns import medians_of, ranges_of, take_turns
from benchmarks.pruners import reference_vcast
from evscli.encoders import VideoEncoder, load_encoder
from evscli.pipeline import VideoPruner
from evscli.pruners import check_selection
from evscli.records import PruneAt, PrunedVideo, VideoInput
from evscli.store import StoreWriter

FPS = 30
BUDGET = 0.25
VISION = {
    "depth": 4,
    "hidden_size": 192,
    "intermediate_size": 768,
    "num_heads": 3,
    "out_hidden_size": 1024,
    "num_position_embeddings": 2304,
    "deepstack_visual_indexes": [0, 1, 2],
}
TEXT = {
    "hidden_size": 1024,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 8,
    "num_key_value_heads": 1,
    "vocab_size": 64,
    "pad_token_id": 0,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
SAMPLED = 2
"""The frames of a second that the processor takes unless told otherwise."""
PIXELS = 224 * 384
"""The most pixels of a frame."""


def write_clip(path: Path, seconds: int, height: int) -> None:
    """Write a textured picture that drifts, with a key frame every two seconds."""
    width = height * 16 // 9
    noise = np.random.default_rng(0).integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
    picture = noise.repeat(8, axis=0).repeat(8, axis=1)
    options = {"preset": "veryfast", "g": str(2 * FPS), "bf": "2"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for number in range(seconds * FPS):
            frame = np.roll(picture, (number // 2, 2 * number), axis=(0, 1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def write_checkpoint(
    folder: Path, vision: Mapping[str, Any], *, frames: int, dtype: torch.dtype
) -> PreTrainedModel:
    """Write the random checkpoint that both sides use, for videos of `frames` sampled frames."""
    torch.manual_seed(0)
    config = Qwen3VLConfig(vision_config=dict(vision), text_config=text_of(vision))
    model = AutoModelForImageTextToText.from_config(config, dtype=dtype).eval()
    model.save_pretrained(folder)
    processor = {
        "video_processor_type": "Qwen3VLVideoProcessor",
        "size": {"shortest_edge": 4096, "longest_edge": frames * PIXELS},
    }
    (folder / "video_preprocessor_config.json").write_text(json.dumps(processor))
    return model


def text_of(vision: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of a language model for the tower's tokens."""
    return {**TEXT, "hidden_size": vision["out_hidden_size"]}


def decode_from_start(path: Path, indices: set[int]) -> Tensor:
    """Decode every frame and return the ones of `indices`, [F, 3, H, W] uint8."""
    frames = []
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number > max(indices):
                break
            if number in indices:
                frames.append(frame.to_ndarray(format="rgb24"))
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)


def patches_of(frames: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return pixel values and grid_thw as the processor makes them."""
    values = interpolate(frames, size, mode="bicubic", antialias=True).float() / 127.5 - 1
    t, h, w = len(values) // 2, size[0] // 32, size[1] // 32
    blocks = values.view(t, 2, 3, h, 2, 16, w, 2, 16).permute(0, 3, 6, 4, 7, 2, 1, 5, 8)
    return blocks.reshape(4 * t * h * w, -1), torch.tensor([[t, 2 * h, 2 * w]])


@torch.inference_mode()
def by_hand(
    path: Path, model: PreTrainedModel, indices: set[int], size: tuple[int, int], store: Path
) -> Tensor:
    """Run the other side and return its mask [T, h, w]."""
    patches, grid = patches_of(decode_from_start(path, indices), size)
    output = model.model.visual(patches.to(model.device, model.dtype), grid.to(model.device))
    t, h, w = (grid[0] // torch.tensor([1, 2, 2])).tolist()
    embeds = output.pooler_output.cpu()
    mask = reference_vcast(embeds.view(t, h, w, -1).float())
    kept = mask.flatten()
    tensors = {"embeds": embeds[kept], "mask": mask}
    planes = [plane.cpu()[kept] for plane in output.deepstack_features]
    tensors |= {f"deepstack.{number}": plane for number, plane in enumerate(planes)}
    save_file(tensors, store)
    return mask


@dataclass(frozen=True, kw_only=True)
class Sides:
    """A clip, the same checkpoint on both sides, and a folder for what they write."""

    folder: Path
    model: PreTrainedModel
    encoder: VideoEncoder
    video: VideoInput

    @cached_property
    def usual(self) -> PrunedVideo:
        """The record of a run, by which the other side knows the frames and their size."""
        return self.pruner(None)(self.video)

    def pruner(self, place: PruneAt | None) -> VideoPruner:
        """Return what prunes at a place."""
        return VideoPruner(self.encoder, check_selection("vcast", BUDGET, prune_at=place))

    def ours(self, place: PruneAt | None = None) -> Callable[[], Tensor]:
        """Return a run of evs that stores the tokens in a new store and returns the mask."""
        pruner = self.pruner(place)

        def run() -> Tensor:
            with (
                tempfile.TemporaryDirectory(dir=self.folder) as store,
                StoreWriter(Path(store), pruner.configs[0]) as writer,
            ):
                record = pruner(self.video)
                writer.add(record)
            return record.keep_mask

        return run

    def theirs(self) -> Tensor:
        """Run the other side."""
        indices, size = set(self.usual.source_index.tolist()), self.usual.info.resized_size
        store = self.folder / "by hand.safetensors"
        return by_hand(self.video.path, self.model, indices, size, store)

    def work(self, vision: Mapping[str, Any]) -> tuple[Work, Ceiling]:
        """Count the encoder's work, and measure the ceiling for a chunk of it."""
        (t, h, w), sizes = self.usual.info.grid_thw, qwen_sizes(vision)
        dtype, device = self.encoder.dtype, self.encoder.device.type
        rows = self.encoder.chunk_frames // 2 * 4 * h * w
        ceiling = measure_ceiling(sizes, rows=rows, dtype=dtype, device=device)
        itemsize = dtype.itemsize
        return work_of(
            sizes, frames=t, patches=4 * h * w, windows=h * w, itemsize=itemsize
        ), ceiling


@contextmanager
def both_sides(
    vision: Mapping[str, Any],
    *,
    seconds: int,
    height: int,
    dtype: str = "float32",
    device: str = "cpu",
) -> Iterator[Sides]:
    """Make a clip and a checkpoint, and load it for both sides."""
    with tempfile.TemporaryDirectory(prefix="evs-end-to-end-") as temporary:
        folder = Path(temporary)
        write_clip(folder / "clip.mp4", seconds, height)
        frames, kind = SAMPLED * seconds, getattr(torch, dtype)
        model = write_checkpoint(folder / "model", vision, frames=frames, dtype=kind).to(device)
        encoder = load_encoder(str(folder / "model"), device=device, dtype=dtype)
        video = VideoInput(id="clip", path=folder / "clip.mp4", root=folder)
        yield Sides(folder=folder, model=model, encoder=encoder, video=video)


def check_equal(masks: Mapping[str, Tensor]) -> None:
    """Raise SystemExit unless all sides keep the same tokens."""
    first, *others = masks.values()
    if not all(torch.equal(first, other) for other in others):
        raise SystemExit("the two sides keep different tokens")


def measure(*, rounds: int = 3, seconds: int = 120, height: int = 720) -> Report:
    """Make the clip and the checkpoint, and run both sides in turns."""
    with both_sides(VISION, seconds=seconds, height=height) as sides:
        ways = {"evs": sides.ours(), "by hand": sides.theirs}
        turns = take_turns(ways, rounds=rounds, check=check_equal)
        work, ceiling = sides.work(VISION)
        frames, grid_thw = len(sides.usual.source_index), sides.usual.info.grid_thw
    ratios = {way: turns.ratio(way, "evs") for way in ways}
    rows = "\n".join(f"| {way} | {turns.of(way).text()} | {ratios[way].text()} |" for way in ways)
    spreads = {**{way: turns.of(way) for way in ways}, "by hand / evs": ratios["by hand"]}
    grid = "x".join(map(str, grid_thw))
    share = ceiling.share(work, turns.of("evs").median)
    return Report(
        title="One video from file to stored tokens",
        body=(
            f"{seconds} s of {height * 16 // 9}x{height} H.264 at {FPS} fps, {frames} frames "
            f"sampled, grid {grid}, V-CAST at {BUDGET:g}, float32, median (least to most) of "
            f"{rounds} rounds in turns. Both keep the same tokens.\n\n| way | seconds | ratio |\n"
            f"|---|---:|---:|\n{rows}\n\n"
            f"{ceiling.line(work, turns.of('evs').median)} The seconds are those of all of evs, "
            "decoding included."
        ),
        figures={**medians_of(spreads), "evs, of the ceiling": share},
        spread=ranges_of(spreads),
    )


BENCHMARK = Benchmark(
    measure=measure,
    smoke={"rounds": 1, "seconds": 4, "height": 144},
    code=(
        "video/decode.py",
        "models/parts/pixels.py",
        "models/parts/attention.py",
        "pipeline/planned.py",
        "pipeline/frames.py",
        "pruners/methods/vcast.py",
        "pruners/ops/outliers.py",
    ),
    minutes=1.5,
)
