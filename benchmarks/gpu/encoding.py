"""Steps about encoders: their speed against the ceiling, by chunk, packed, pruned, end to end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch._C._autograd import DeviceType
from torch.profiler import ProfilerActivity
from torch.profiler import profile as profiled
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLVisionConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionTransformerPretrainedModel,
)
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLVisionConfig
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionModel

from benchmarks import encoder as encoders
from benchmarks import inside
from benchmarks import packing as together
from benchmarks import places as where_pruned
from benchmarks.end_to_end import both_sides
from benchmarks.gpu.steps import Outcome, Setting
from benchmarks.harness.roofline import Ceiling, Work, measure_ceiling
from benchmarks.harness.towers import QWEN2_5_VL_7B, QWEN3_VL_2B, QWEN3_VL_8B, shrunk
from benchmarks.harness.turns import Spread, Turns, clock_of, take_turns
from evscli.encoders import VideoEncoder
from evscli.encoders.tower import encode_frames
from evscli.models.parts.frame_tower import FrameTower
from evscli.models.qwen2_5_vl.tower import Qwen25Tower
from evscli.pipeline import plan_video
from evscli.records import FrameChunk, FramePlan

QWEN = {"Qwen3-VL-2B": QWEN3_VL_2B, "Qwen3-VL-8B": QWEN3_VL_8B, "Qwen2.5-VL-7B": QWEN2_5_VL_7B}
BFLOAT16 = torch.bfloat16
CHUNKS = (16, 64, 128)
KERNELS = 5
"""The kernels that a profile names."""


def random_tower(config: Mapping[str, Any], setting: Setting) -> tuple[Any, Any]:
    """Return a random tower in bfloat16, and the function that prepares it for a grid."""
    torch.manual_seed(0)
    sizes = setting.of(dict(config), shrunk(config, 2))
    made: Any
    prepare: Any
    if "fullatt_block_indexes" in sizes:
        configured = Qwen2_5_VLVisionConfig(**sizes)
        made, prepare = Qwen2_5_VisionTransformerPretrainedModel, Qwen25Tower
    else:
        configured = Qwen3VLVisionConfig(**sizes)
        made, prepare = Qwen3VLVisionModel, FrameTower
    tower = made._from_config(configured, attn_implementation="sdpa")
    return tower.to(setting.device, BFLOAT16).eval(), prepare


def encode(setting: Setting, folder: Path) -> Outcome:  # noqa: ARG001
    """Measure towers of published sizes in bfloat16 against the ceiling, and transformers' own."""
    grid, repeats = setting.of((32, 28, 28), (2, 4, 4)), setting.of(5, 1)
    lines, figures = list[str](), dict[str, float]()
    with torch.inference_mode():
        for name, config in QWEN.items():
            tower, prepare = random_tower(config, setting)
            turns, difference = encoders.compare(tower, prepare, grid, repeats=repeats)
            work, ceiling = encoders.roofline(tower, grid)
            ratio = turns.ratio("theirs", "ours")
            against = f"transformers / evs {ratio.text()}, difference {difference:.1g}"
            lines.append(line_of(name, turns, work, ceiling, against))
            figures |= figures_of(name, turns, work, ceiling)
            figures[f"{name}, transformers / evs"] = ratio.median
            del tower
        turns, work, ceiling = molmo2(setting, repeats)
        lines.append(line_of("Molmo2", turns, work, ceiling, "27x27 patches a frame"))
        figures |= figures_of("Molmo2", turns, work, ceiling)
    size = "x".join(map(str, grid))
    text = f"bfloat16, {size} patches, median (least to most) of {repeats} rounds in turns.\n\n"
    return Outcome(text=text + "\n".join(lines), figures=figures)


def molmo2(setting: Setting, repeats: int) -> tuple[Turns[Any], Work, Ceiling]:
    """Measure the tower of Molmo2, which transformers has no tower of its own size to compare."""
    frames, heads, shrink = setting.of((32, 16, 1), (2, 2, 3))
    case = inside.molmo2(frames, heads, shrink, setting.device, BFLOAT16)
    run = partial(encode_frames, case.tower, case.patches())
    turns = take_turns({"ours": run}, rounds=repeats, clock=clock_of(setting.device))
    rows = frames * case.tower.size
    ceiling = measure_ceiling(case.sizes, rows=rows, dtype=BFLOAT16, device=setting.device)
    return turns, inside.whole_work(case, BFLOAT16), ceiling


def line_of(name: str, turns: Turns[Any], work: Work, ceiling: Ceiling, more: str) -> str:
    """Return the line about a tower."""
    taken = turns.of("ours")
    return f"- {name}: {taken.text('.1f', 1000)} ms, {more}. {ceiling.line(work, taken.median)}"


def figures_of(name: str, turns: Turns[Any], work: Work, ceiling: Ceiling) -> dict[str, float]:
    """Return the figures of a tower."""
    taken = turns.of("ours").median
    return {
        f"{name}, ms": 1000 * taken,
        f"{name}, of the ceiling": ceiling.share(work, taken),
        f"{name}, ceiling, TFLOP/s": ceiling.flops / 1e12,
    }


def profile(setting: Setting, folder: Path) -> Outcome:  # noqa: ARG001
    """Encode a video by chunks of different lengths, and look at what the device does meanwhile."""
    vision = setting.of(dict(QWEN3_VL_2B), shrunk(QWEN3_VL_2B, 2))
    seconds, height = setting.of((128, 360), (4, 144))
    device, figures, texts = setting.device, dict[str, float](), list[str]()
    with both_sides(
        vision, seconds=seconds, height=height, dtype="bfloat16", device=device
    ) as sides:
        plan = plan_video(sides.video, sides.encoder).plan
        lengths = {f"{n} frames a chunk": replace(sides.encoder, chunk_frames=n) for n in CHUNKS}
        ways = {name: encoding(encoder, plan) for name, encoder in lengths.items()}
        turns = take_turns(ways, rounds=setting.of(5, 1), clock=clock_of(device))
        for name, way in ways.items():
            frames, taken = len(plan.source_index), turns.of(name)
            figures[f"{name}, frames/s"] = frames / taken.median
            figures[f"{name}, peak MB"] = peak(way, device)
            busy, kernels = looked_into(way, device)
            figures[f"{name}, busy"] = busy
            texts.append(section(name, frames, taken, figures, kernels))
    grid = "x".join(map(str, plan.grid_thw))
    text = f"The tower of Qwen3-VL-2B, bfloat16, grid {grid}, frames resized already.\n\n"
    return Outcome(text=text + "\n\n".join(texts), figures=figures)


def encoding(encoder: VideoEncoder, plan: FramePlan) -> Callable[[], Tensor]:
    """Return a run of an encoder on random frames of a plan."""
    size = (len(plan.source_index), 3, *plan.resized_size)
    pixels = torch.randint(0, 256, size, dtype=torch.uint8)

    def chunks() -> Iterator[FrameChunk]:
        for start in range(0, len(pixels), 16):
            yield FrameChunk(start=start, pixels=pixels[start : start + 16])

    return lambda: encoder.encode(chunks(), plan, stay=True).embeds


def section(
    name: str, frames: int, taken: Spread, figures: Mapping[str, float], kernels: list[str]
) -> str:
    """Return what is to say about chunks of one length."""
    listed = "\n".join(f"- {kernel}" for kernel in kernels)
    return (
        f"### {name}\n\n{frames} frames in {taken.text('.3f')} s, "
        f"{figures[f'{name}, frames/s']:.0f} frames/s; peak of memory "
        f"{figures[f'{name}, peak MB']:.0f} MB; the device computes "
        f"{100 * figures[f'{name}, busy']:.0f} % of a run that is profiled. Its most expensive "
        f"kernels:\n\n{listed}"
    )


def peak(run: Callable[[], object], device: str) -> float:
    """Return the most memory in MB that a run takes on a GPU, weights included; 0 for the CPU."""
    if device == "cpu":
        return 0.0
    torch.cuda.reset_peak_memory_stats()
    run()
    return torch.cuda.max_memory_allocated() / 1e6


def looked_into(run: Callable[[], object], device: str) -> tuple[float, list[str]]:
    """Return the share of a run in which the device computes, and its most expensive kernels."""
    on_gpu = device != "cpu"
    clock, kind = clock_of(device), DeviceType.CUDA if on_gpu else DeviceType.CPU
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profiled(activities=activities) as profiler:
        start = clock()
        run()
        spent = clock() - start
    times: dict[str, float] = {}
    for event in profiler.key_averages():
        if event.device_type == kind:
            own = event.self_device_time_total if on_gpu else event.self_cpu_time_total
            times[event.key] = times.get(event.key, 0.0) + own / 1e6
    dearest = sorted(times, key=lambda name: -times[name])[:KERNELS]
    busy = sum(times.values()) / spent
    return busy, [f"{1000 * times[name]:.1f} ms `{name[:80]}`" for name in dearest]


def packing(setting: Setting, folder: Path) -> Outcome:  # noqa: ARG001
    """Measure short clips that share calls of a tower against those that do not, in bfloat16."""
    tower, rounds, clips, height = setting.of(("Qwen3-VL-2B", 5, 64, 224), ("mini", 1, 4, 96))
    report = together.measure(
        rounds=rounds,
        clips=clips,
        height=height,
        patches=setting.of("8192,32768", "8192"),
        towers=tower,
        dtype="bfloat16",
        device=setting.device,
    )
    return Outcome(text=report.body, figures=report.figures)


def places(setting: Setting, folder: Path) -> Outcome:  # noqa: ARG001
    """Measure pruning inside the encoder and before it, in bfloat16."""
    frames, heads, shrink, repeats = setting.of((32, 16, 1, 5), (2, 2, 3, 1))
    report = inside.measure(
        repeats=repeats,
        frames=frames,
        heads=heads,
        shrink=shrink,
        dtype="bfloat16",
        device=setting.device,
    )
    return Outcome(text=report.body, figures=report.figures)


def end_to_end(setting: Setting, folder: Path) -> Outcome:  # noqa: ARG001
    """Measure a video from file to stored tokens against transformers, by place, in bfloat16."""
    rounds, seconds, height, heads = setting.of((2, 30, 720, 16), (1, 4, 144, 2))
    report = where_pruned.measure(
        rounds=rounds,
        seconds=seconds,
        large_seconds=seconds,
        height=height,
        heads=heads,
        dtypes="bfloat16",
        device=setting.device,
    )
    text = report.body.replace("\n## ", "\n### ")
    return Outcome(text=text, figures=report.figures)
