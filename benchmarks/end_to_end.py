"""One long video from file to stored tokens: evs, and the usual code with transformers.

Both sides run in one process and take turns; the encoder is loaded before. The other side
decodes the file from its start with PyAV as the reader of transformers does, resizes all frames at
once, calls transformers' own vision forward, prunes with V-CAST's formulas as they stand and saves
with safetensors. The tower is random and small, so that decoding takes about the same share on a
CPU as beside an encoder on a GPU. Both must end with the same tokens kept.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import av
import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import AutoModelForImageTextToText, PreTrainedModel, Qwen3VLConfig

from benchmarks.harness import Benchmark, Report
from benchmarks.pruners import reference_vcast
from evscli.encoders import load_encoder
from evscli.pipeline import VideoPruner
from evscli.pruners import check_selection
from evscli.records import VideoInput
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
PROCESSOR = {
    "video_processor_type": "Qwen3VLVideoProcessor",
    "size": {"shortest_edge": 4096, "longest_edge": 240 * 224 * 384},
}


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


def write_checkpoint(folder: Path) -> PreTrainedModel:
    """Write the random checkpoint that both sides use."""
    torch.manual_seed(0)
    config = Qwen3VLConfig(vision_config=dict(VISION), text_config=dict(TEXT))
    model = AutoModelForImageTextToText.from_config(config, dtype=torch.float32).eval()
    model.save_pretrained(folder)
    (folder / "video_preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    return model


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
    output = model.model.visual(patches, grid)
    t, h, w = (grid[0] // torch.tensor([1, 2, 2])).tolist()
    mask = reference_vcast(output.pooler_output.view(t, h, w, -1))
    kept = mask.flatten()
    tensors = {"embeds": output.pooler_output[kept], "mask": mask}
    tensors |= {f"deepstack.{i}": x[kept] for i, x in enumerate(output.deepstack_features)}
    save_file(tensors, store)
    return mask


def timed(work: Callable[[], Tensor]) -> tuple[float, Tensor]:
    """Return seconds and result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def measure(*, rounds: int = 3, seconds: int = 120, height: int = 720) -> Report:
    """Make the clip and the checkpoint, and run both sides in turns."""
    with tempfile.TemporaryDirectory(prefix="evs-end-to-end-") as temporary:
        folder = Path(temporary)
        write_clip(folder / "clip.mp4", seconds, height)
        model = write_checkpoint(folder / "model")
        pruner = VideoPruner(load_encoder(str(folder / "model")), check_selection("vcast", BUDGET))
        video = VideoInput(id="clip", path=folder / "clip.mp4", root=folder)

        def ours(number: int) -> Tensor:
            with StoreWriter(folder / f"store-{number}", pruner.configs[0]) as writer:
                record = pruner(video)
                writer.add(record)
            return record.keep_mask

        record = pruner(video)
        indices, size = set(record.source_index.tolist()), record.info.resized_size
        times: dict[str, list[float]] = {"evs": [], "by hand": []}
        for number in range(rounds):
            spent, mask = timed(partial(ours, number))
            times["evs"].append(spent)
            path = folder / f"{number}.safetensors"
            spent, other = timed(partial(by_hand, video.path, model, indices, size, path))
            times["by hand"].append(spent)
            if not torch.equal(mask, other):
                raise SystemExit("the two sides keep different tokens")
    medians = {name: statistics.median(values) for name, values in times.items()}
    grid = "x".join(map(str, record.info.grid_thw))
    rows = "\n".join(
        f"| {name} | {spent:.2f} | {spent / medians['evs']:.2f} |"
        for name, spent in medians.items()
    )
    return Report(
        title="One video from file to stored tokens",
        body=(
            f"{seconds} s of {height * 16 // 9}x{height} H.264 at {FPS} fps, {len(indices)} frames "
            f"sampled, grid {grid}, V-CAST at {BUDGET:g}, float32, median of {rounds} rounds in "
            "turns. Both keep the same tokens.\n\n| way | seconds | ratio |\n"
            f"|---|---:|---:|\n{rows}"
        ),
        figures={**medians, "by hand / evs": medians["by hand"] / medians["evs"]},
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
