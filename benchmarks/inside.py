"""Pruning before the encoder and inside it: the time left against the FLOPs left.

The towers have the sizes of Qwen3-VL-2B's (24 blocks of width 1024) and Molmo2's (25 blocks of
width 1152, 27x27 patches) and random weights. `whole` normalises all pixels and runs all blocks on
all patches; each pruned run goes on after a block, or begins before the first, with the windows
chosen there, the choice included. The runs take turns.
`of the FLOPs` is the share of the whole encoder's multiplications that is left, those of the choice
not counted; `over` is the time as a multiple of this share.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor
from transformers.models.molmo2.configuration_molmo2 import (
    Molmo2AdapterConfig,
    Molmo2VisionConfig,
)
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLVisionConfig
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionModel

from benchmarks.harness import Benchmark, Report, check_device
from evscli.encoders.chunks import ChunkLength
from evscli.encoders.early import Begun, Prefix, finish
from evscli.encoders.pixels import HeldPixels
from evscli.encoders.scorer import expected_shapes
from evscli.encoders.tower import encode_frames
from evscli.models.contract import PixelFormat, Tower
from evscli.models.molmo2.pixels import Molmo2Pixels
from evscli.models.molmo2.tower import Molmo2Tower, Molmo2Vision
from evscli.models.parts.frame_tower import FrameTower
from evscli.models.parts.pixels import QwenPixels
from evscli.pruners import PruneRequest, check_selection, select_tokens, select_windows
from evscli.pruners.ops.pixels import pixel_tokens
from evscli.records import INPUT, PixelSource, PruneAt, PruneInputs, WindowChoice

SCORER_WIDTH = 1152


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A tower with everything that its FLOPs follow from."""

    name: str
    tower: Tower
    form: PixelFormat
    pixels: Tensor
    """[F, 3, H, W] uint8 frames."""
    width: int
    inner: int
    """The width inside a block's MLP."""
    connector: int
    """The multiplications of a window in the part that makes tokens of it."""
    used: int
    """The number of blocks that are run."""

    def patches(self) -> Tensor:
        """Return the patches [T, S, P] of all frames."""
        return self.form.patchify(self.pixels)

    @property
    def grid_thw(self) -> tuple[int, int, int]:
        """The grid (T, h, w) of tokens."""
        return len(self.pixels) // self.form.temporal_patch_size, *self.tower.cells


def qwen3_vl(frames: int, heads: int, shrink: int, device: str) -> Case:
    """Make the vision tower of Qwen3-VL-2B for frames of 448x448, or smaller by a factor."""
    side = 28 // shrink // 2 * 2
    width = 64 * heads
    config = Qwen3VLVisionConfig(
        depth=24,
        hidden_size=width,
        num_heads=heads,
        intermediate_size=4 * width,
        out_hidden_size=2048,
        deepstack_visual_indexes=[5, 11, 17],
    )
    model = Qwen3VLVisionModel._from_config(config, attn_implementation="sdpa").to(device).eval()
    merged = 4 * width
    return Case(
        name="Qwen3-VL-2B",
        tower=FrameTower(model, (side, side)),
        form=QwenPixels(
            patch_size=16,
            temporal_patch_size=2,
            merge_size=2,
            resample="bicubic",
            mean=torch.full((3,), 127.5),
            std=torch.full((3,), 127.5),
        ),
        pixels=random_pixels(2 * frames, 16 * side, device),
        width=width,
        inner=4 * width,
        connector=4 * merged * (merged + 2048),
        used=24,
    )


def molmo2(frames: int, heads: int, shrink: int, device: str) -> Case:
    """Make the vision tower of Molmo2 for its frames of 378x378, or smaller by a factor."""
    side = 27 // shrink // 3 * 3
    shared = {
        "hidden_size": 72 * heads,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "attn_implementation": "sdpa",
    }

    class Config:
        vision_config = Molmo2VisionConfig(
            **shared, intermediate_size=269 * heads, num_position_embeddings=side * side
        )
        adapter_config = Molmo2AdapterConfig(**shared, intermediate_size=1184 * heads)

    model = Molmo2Vision(Config).to(device).eval()
    vision, adapter = Config.vision_config.hidden_size, Config.adapter_config
    # Attention from one query to nine patches of both layers read, then a gated MLP.
    attention = (9 * 2 + 1) * 2 * vision * vision + vision * vision
    gated = adapter.intermediate_size * (2 * vision + adapter.text_hidden_size)
    tower = Molmo2Tower(model, (side, side))
    return Case(
        name="Molmo2",
        tower=tower,
        form=Molmo2Pixels(
            patch_size=14,
            merge_size=3,
            resample="bilinear",
            mean=torch.full((3,), 127.5),
            std=torch.full((3,), 127.5),
        ),
        pixels=random_pixels(frames, 14 * side, device),
        width=vision,
        inner=Config.vision_config.intermediate_size,
        connector=attention + gated,
        used=tower.depth,
    )


def random_pixels(frames: int, side: int, device: str) -> Tensor:
    """Make random square frames [frames, 3, side, side]."""
    return torch.randint(0, 256, (frames, 3, side, side), dtype=torch.uint8, device=device)


@dataclass(frozen=True)
class Row:
    """The FLOPs and the time of a selection, as shares of the whole encoder's."""

    tower: str
    request: PruneRequest
    left: float
    """The share of the FLOPs."""
    taken: float
    """The share of the time."""

    @property
    def over(self) -> float:
        """The share of the time as a multiple of the share of the FLOPs."""
        return self.taken / self.left

    @property
    def method(self) -> str:
        """The name of the method, and its options that are not the defaults."""
        usual = self.request.options.get("refill", True)
        return self.request.pruner.name + ("" if usual else " (refill=false)")

    @property
    def key(self) -> str:
        """The name of the row among the figures."""
        request = self.request
        place = request.prune_at if request.prune_at == INPUT else f"after {request.prune_at}"
        return f"{self.tower} {self.method} {request.budget} {place}"

    def __str__(self) -> str:
        """Return a line of the table."""
        return (
            f"| {self.tower} | {self.method} | {self.request.budget} | {self.request.prune_at} | "
            f"{self.left:.3f} | {self.taken:.3f} | {self.over:.2f} |"
        )


def flops(case: Case, counts: list[int]) -> int:
    """Return the multiplications of one block on frames of `counts` patches."""
    dense = 4 * case.width**2 + 2 * case.width * case.inner
    return sum(count * dense + 2 * count * count * case.width for count in counts)


def share_left(case: Case, request: PruneRequest, choice: WindowChoice) -> float:
    """Return the share of the whole encoder's multiplications that a pruned run makes."""
    frames, size, values = case.patches().shape
    windows = choice.kept.mask[0].numel()
    patches = case.tower.window_patches.shape[1]
    kept = [int(count) * patches for count in choice.kept.mask.flatten(1).sum(dim=1)]
    assert request.prune_at is not None
    at_input = request.prune_at == INPUT
    before = 0 if request.prune_at == INPUT else request.prune_at + 1 + (choice.bias is not None)
    embedding = values * case.width
    block = flops(case, [size] * frames)
    whole = frames * size * embedding + case.used * block + frames * windows * case.connector
    embedded = sum(kept) if at_input else frames * size
    rest = (case.used - before) * flops(case, kept) + sum(kept) // patches * case.connector
    return (embedded * embedding + before * block + rest) / whole


def scorer_of(case: Case, device: str) -> dict[str, Tensor]:
    """Make random weights of a scorer."""
    generator = torch.Generator().manual_seed(0)
    shapes = expected_shapes(case.width, SCORER_WIDTH)
    return {
        name: torch.randn(shape, generator=generator).mul_(0.02).to(device)
        for name, shape in shapes.items()
    }


def pruned_run(
    case: Case, request: PruneRequest, inputs: PruneInputs, device: str
) -> Callable[[], WindowChoice]:
    """Return a function that runs the encoder with an early choice, and returns the choice."""

    def run() -> WindowChoice:
        begun, choice = begin_at_input() if request.prune_at == INPUT else begin_after_block()
        patches = case.grid_thw[0] * case.tower.size
        finish(begun, choice, patches=patches, device=torch.device(device))
        return choice

    def begin_after_block() -> tuple[Begun, WindowChoice]:
        assert isinstance(request.prune_at, int)
        prefix = Prefix(case.tower, request.prune_at, case.grid_thw[0])
        prefix.add(case.patches())
        return prefix, select_windows(request, prefix.windows(), inputs)

    def begin_at_input() -> tuple[Begun, WindowChoice]:
        frames = len(case.pixels)
        length = ChunkLength(asked=frames, least=case.form.temporal_patch_size)
        held = HeldPixels(case.tower, case.form, frames, length)
        held.add(case.pixels)
        source = PixelSource(
            chunks=lambda: iter([held.pixels]), temporal_patch_size=case.form.temporal_patch_size
        )
        tokens = pixel_tokens(source, case.grid_thw)
        return held, WindowChoice(kept=select_tokens(request, tokens, inputs))

    return run


def requests() -> Iterator[PruneRequest]:
    """Yield the selections that are timed."""
    places: tuple[PruneAt, ...] = (INPUT, 2, 4)
    for place in places:
        for budget in (0.5, 0.25):
            yield check_selection("vcast", budget, prune_at=place)
    yield check_selection("stts", 0.5)
    yield check_selection("stts", 0.5, {"refill": False})


def seconds(run: Callable[[], Any], device: str) -> float:
    """Return the seconds of one run."""
    if device != "cpu":
        torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def compare(case: Case, repeats: int, device: str) -> list[Row]:
    """Make a row for every selection."""
    inputs = PruneInputs(scorer=scorer_of(case, device), heads=case.tower.heads)
    asked = list(requests())
    runs = [pruned_run(case, request, inputs, device) for request in asked]

    def whole() -> None:
        encode_frames(case.tower, case.patches())

    choices = [run() for run in runs]
    whole()
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(repeats):
        full = seconds(whole, device)
        for place, run in enumerate(runs):
            times[place].append(seconds(run, device) / full)
    return [
        Row(case.name, request, share_left(case, request, choice), median(shares))
        for request, choice, shares in zip(asked, choices, times, strict=True)
    ]


def measure(
    *, repeats: int = 2, frames: int = 4, heads: int = 16, shrink: int = 1, device: str = "cpu"
) -> Report:
    """Measure medians of `repeats` rounds on `frames` frames, whose sides are divided by `shrink`.

    The width of a tower follows from its heads.
    """
    named, rows = check_device(device), []
    with torch.inference_mode():
        for make in (qwen3_vl, molmo2):
            torch.manual_seed(0)
            rows += compare(make(frames, heads, shrink, device), repeats, device)
    table = "\n".join(map(str, rows))
    vcast = [row.over for row in rows if row.request.pruner.name == "vcast"]
    return Report(
        title="Pruning before the encoder and inside it",
        body=(
            f"{named}Random towers in float32, {frames} frames, medians of {repeats} rounds in "
            "which the runs take turns. Shares of the whole encoder.\n\n"
            "| tower | method | budget | at | of the FLOPs | of the time | over |\n"
            f"|---|---|---:|---:|---:|---:|---:|\n{table}"
        ),
        figures={
            **{f"{row.key}": row.taken for row in rows},
            **{f"{row.key}, over": row.over for row in rows},
            "vcast, least over": min(vcast),
            "vcast, most over": max(vcast),
        },
    )


BENCHMARK = Benchmark(
    measure=measure,
    smoke={"repeats": 1, "frames": 2, "heads": 2, "shrink": 3},
    code=(
        "encoders/early.py",
        "encoders/pixels.py",
        "pruners/ops/pixels.py",
        "models/parts/packing.py",
        "encoders/scorer.py",
    ),
    minutes=2.5,
)
