"""The vision towers on batched frames against transformers' own forward.

The towers are random, of 8 blocks, and both ways run the same modules on the same patches with
`scaled_dot_product_attention`: transformers frame by frame and window by window, evs with one call
per layer and window size. On the CPU one thread runs and processor time is taken, which other work
on the machine disturbs little; on CUDA it is the time until the device is done.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLVisionConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionTransformerPretrainedModel,
)
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLVisionConfig
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionModel

from benchmarks.harness import Benchmark, Report, check_device
from benchmarks.harness.roofline import Ceiling, Work, measure_ceiling, work_of
from benchmarks.harness.towers import attended, qwen_sizes
from benchmarks.harness.turns import Turns, clock_of, ranges_of, take_turns
from evscli.encoders.tower import encode_frames
from evscli.models.parts.frame_tower import FrameTower
from evscli.models.qwen2_5_vl.tower import Qwen25Tower

GRIDS = ((32, 8, 8), (8, 18, 18), (4, 26, 46))
"""The (T, H, W) patches of one chunk: many thumbnails, small frames, large frames."""


def towers(width: int) -> dict[str, tuple[Any, Any]]:
    """Return a random tower of each family, and the function that runs it on batched frames."""
    torch.manual_seed(0)
    shape = {"depth": 8, "hidden_size": width, "num_heads": 8, "intermediate_size": 4 * width}
    with_planes = Qwen3VLVisionConfig(
        **shape, out_hidden_size=1024, deepstack_visual_indexes=[1, 3, 5]
    )
    with_windows = Qwen2_5_VLVisionConfig(
        **shape, out_hidden_size=1024, fullatt_block_indexes=[3, 7]
    )
    sdpa = {"attn_implementation": "sdpa"}
    return {
        "Qwen3-VL": (Qwen3VLVisionModel._from_config(with_planes, **sdpa), FrameTower),
        "Qwen2.5-VL": (
            Qwen2_5_VisionTransformerPretrainedModel._from_config(with_windows, **sdpa),
            Qwen25Tower,
        ),
    }


def compare(
    tower: Any, prepare: Any, grid: tuple[int, int, int], *, repeats: int
) -> tuple[Turns[Tensor], float]:
    """Return the times of evs and of transformers, and the largest relative difference."""
    weight = tower.patch_embed.proj.weight
    patches = torch.randn(grid[0], grid[1] * grid[2], weight[0].numel(), device=weight.device)
    grid_thw = torch.tensor([grid], device=weight.device)

    def ours() -> Tensor:
        return encode_frames(prepare(tower, grid[1:]), patches)[0].flatten(0, 2)

    def theirs() -> Tensor:
        output: Tensor = tower(patches.flatten(0, 1), grid_thw).pooler_output
        return output

    clock = clock_of(weight.device.type, of_processor=True)
    turns = take_turns({"ours": ours, "theirs": theirs}, rounds=repeats, clock=clock)
    expected = turns.last["theirs"]
    difference = float((turns.last["ours"] - expected).abs().max() / expected.abs().max())
    return turns, difference


def roofline(tower: Any, grid: tuple[int, int, int]) -> tuple[Work, Ceiling]:
    """Count the work of a call of a tower, and measure its ceiling."""
    weight, (t, h, w) = tower.patch_embed.proj.weight, grid
    config = tower.config.to_dict()
    sizes = qwen_sizes(config, patch=tower.config.patch_size)
    work = work_of(
        sizes,
        frames=t,
        patches=h * w,
        windows=h * w // 4,
        itemsize=weight.dtype.itemsize,
        attended=attended(config, grid[1:]),
    )
    measured = partial(measure_ceiling, sizes, rows=t * h * w, dtype=weight.dtype)
    return work, measured(device=weight.device.type, of_processor=True)


def measure(*, repeats: int = 3, width: int = 512, grids: int = 3, device: str = "cpu") -> Report:
    """Measure the first `grids` grids, with medians of `repeats` runs."""
    named = check_device(device)
    torch.set_num_threads(1)
    rows, lines = [], []
    usual: dict[str, float] = {}
    windows: dict[str, float] = {}
    shares: dict[str, float] = {}
    spreads = {}
    with torch.inference_mode():
        for name, (tower, prepare) in towers(width).items():
            for dtype in ("float32", "bfloat16"):
                tower.to(device, getattr(torch, dtype)).eval()
                for grid in GRIDS[:grids]:
                    turns, difference = compare(tower, prepare, grid, repeats=repeats)
                    work, ceiling = roofline(tower, grid)
                    size = "x".join(map(str, grid))
                    key, ratio = f"{name} {dtype} {size}", turns.ratio("theirs", "ours")
                    small = name == "Qwen2.5-VL" and dtype == "bfloat16" and grid != GRIDS[-1]
                    (windows if small else usual)[key] = ratio.median
                    spreads[key] = ratio
                    share = ceiling.share(work, turns.of("ours").median)
                    shares[f"{key}, of the ceiling"] = share
                    rows.append(
                        f"| {name} | {dtype} | {size} | {turns.of('ours').text('.0f', 1000)} | "
                        f"{turns.of('theirs').text('.0f', 1000)} | {ratio.text()} | "
                        f"{100 * share:.0f} % | {difference:.1g} |"
                    )
                lines.append(f"- {name}, {dtype}, {size}: {_line(ceiling, work, turns)}")
    return Report(
        title="Batched frames against transformers' own vision forward",
        body=(
            f"{named}Random towers of 8 blocks, width {width}, medians (least to most) of "
            f"{repeats} runs that take turns, in milliseconds of processor time (of elapsed time "
            "on CUDA); the difference is relative to the largest value, and the ceiling that of "
            "ours.\n\n| tower | dtype | patches TxHxW | ours, ms | transformers, ms | ratio "
            "| of the ceiling | difference |\n|---|---|---|---|---|---|---|---|\n"
            + "\n".join(rows)
            + "\n\n"
            + "\n".join(lines)
        ),
        figures={
            **usual,
            **windows,
            **shares,
            "least": min(usual.values()),
            "most": max(usual.values()),
            "windows, least": min(windows.values()),
            "windows, most": max(windows.values()),
        },
        spread=ranges_of(spreads),
    )


def _line(ceiling: Ceiling, work: Work, turns: Turns[Tensor]) -> str:
    return ceiling.line(work, turns.of("ours").median)


BENCHMARK = Benchmark(
    measure=measure,
    smoke={"repeats": 1, "width": 64, "grids": 1},
    code=("models/parts/attention.py", "models/qwen2_5_vl/tower.py", "models/parts/frame_tower.py"),
    minutes=3,
)
