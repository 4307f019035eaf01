"""Times the vision towers on batched frames against transformers, and writes results/encoder.md.

    python -m benchmarks.encoder [--repeats 3] [--device cpu]

The towers are random, 8 blocks of width 512, and both ways run the same modules on the same
patches with `scaled_dot_product_attention`: transformers frame by frame and window by window, ours
one call per layer and window size. On the CPU one thread runs and processor time is taken, which
other work on the machine disturbs little; on CUDA it is the time until the device is done.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLVisionConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionTransformerPretrainedModel,
)
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLVisionConfig
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionModel

from benchmarks.machine import describe_machine
from evscli.encoders import qwen2_5_vl, qwen3_vl
from evscli.encoders.tower import encode_frames

SHAPE = {"depth": 8, "hidden_size": 512, "num_heads": 8, "intermediate_size": 2048}
GRIDS = ((32, 8, 8), (8, 18, 18), (8, 26, 46))
"""(T, H, W) patches of one chunk: many thumbnails, small frames, large frames."""

RESULTS = Path(__file__).parent / "results" / "encoder.md"


def towers() -> dict[str, tuple[Any, Any]]:
    """A random tower of each family, and what runs it on batched frames."""
    torch.manual_seed(0)
    with_planes = Qwen3VLVisionConfig(
        **SHAPE, out_hidden_size=1024, deepstack_visual_indexes=[1, 3, 5]
    )
    with_windows = Qwen2_5_VLVisionConfig(
        **SHAPE, out_hidden_size=1024, fullatt_block_indexes=[3, 7]
    )
    sdpa = {"attn_implementation": "sdpa"}
    return {
        "Qwen3-VL": (Qwen3VLVisionModel._from_config(with_planes, **sdpa), qwen3_vl.Qwen3Tower),
        "Qwen2.5-VL": (
            Qwen2_5_VisionTransformerPretrainedModel._from_config(with_windows, **sdpa),
            qwen2_5_vl.Qwen25Tower,
        ),
    }


def measure(
    tower: Any, prepare: Any, grid: tuple[int, int, int], *, repeats: int
) -> tuple[float, float, float]:
    """Median seconds of ours and of transformers, and the largest relative difference."""
    weight = tower.patch_embed.proj.weight
    patches = torch.randn(grid[0], grid[1] * grid[2], weight[0].numel(), device=weight.device)
    grid_thw = torch.tensor([grid], device=weight.device)

    def ours() -> Tensor:
        return encode_frames(prepare(tower, grid[1:]), patches)[0].flatten(0, 2)

    def theirs() -> Tensor:
        return tower(patches.flatten(0, 1), grid_thw).pooler_output

    expected = theirs()
    difference = float((ours() - expected).abs().max() / expected.abs().max())
    runs = [(_seconds(ours), _seconds(theirs)) for _ in range(repeats)]
    return median(run[0] for run in runs), median(run[1] for run in runs), difference


def _seconds(way: Callable[[], Tensor]) -> float:
    if not torch.cuda.is_initialized():
        start = time.process_time()
        way()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    way()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def report(repeats: int, device: str) -> str:
    """The results as a Markdown page."""
    rows = []
    with torch.inference_mode():
        for name, (tower, prepare) in towers().items():
            for dtype in (torch.float32, torch.bfloat16):
                tower.to(device, dtype).eval()
                for grid in GRIDS:
                    ours, theirs, difference = measure(tower, prepare, grid, repeats=repeats)
                    rows.append(
                        f"| {name} | {str(dtype).removeprefix('torch.')} | "
                        f"{'x'.join(map(str, grid))} | {1000 * ours:.0f} | {1000 * theirs:.0f} | "
                        f"{theirs / ours:.2f} | {difference:.1g} |"
                    )
    return "\n".join([*_head(repeats, device), *rows, ""])


def _head(repeats: int, device: str) -> list[str]:
    machine = describe_machine()
    if device != "cpu":
        machine = f"{torch.cuda.get_device_name()}, {machine}"
    return [
        "# Batched frames against transformers' own vision forward",
        "",
        f"`python -m benchmarks.encoder --repeats {repeats} --device {device}`, {machine}",
        "",
        f"Random towers of 8 blocks, width 512, medians of {repeats} runs that take turns, in "
        "milliseconds of processor time (of elapsed time on CUDA); the difference is relative to "
        "the largest value.",
        "",
        "| tower | dtype | patches TxHxW | ours, ms | transformers, ms | ratio | difference |",
        "|---|---|---|---|---|---|---|",
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    text = report(options.repeats, options.device)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(text)
    print(text)
