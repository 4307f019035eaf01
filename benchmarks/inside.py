"""Pruning before the encoder and inside it: the time left against the FLOPs left.

The towers have the sizes of Qwen3-VL-2B's (24 blocks of width 1024) and Molmo2's (25 blocks of
width 1152, 27x27 patches) and random weights. `whole` normalises all pixels and runs all blocks on
all patches; each pruned run goes on after a block, or begins before the first, with the windows
chosen there, the choice included. The runs take turns.
`of the FLOPs` is the share of the whole encoder's multiplications that is left, those of the choice
not counted; `over` is the time as a multiple of this share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers.models.molmo2.configuration_molmo2 import (
    Molmo2AdapterConfig,
    Molmo2VisionConfig,
)
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLVisionConfig
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionModel

from benchmarks.harness import Benchmark, Report, check_device
from benchmarks.harness.roofline import TowerSizes, Work, measure_ceiling, work_of
from benchmarks.harness.towers import QWEN3_VL_2B, qwen_sizes, shrunk
from benchmarks.harness.turns import Spread, clock_of, medians_of, ranges_of, take_turns
from evscli.encoders.chunks import ChunkLength
from evscli.encoders.early import Begun, Prefix, finish
from evscli.encoders.pixels import HeldPixels
from evscli.encoders.room import Room
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
WHOLE = "whole"


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A tower with everything that its FLOPs follow from."""

    name: str
    tower: Tower
    form: PixelFormat
    pixels: Tensor
    """[F, 3, H, W] uint8 frames."""
    sizes: TowerSizes

    def patches(self) -> Tensor:
        """Return the patches [T, S, P] of all frames."""
        return self.form.patchify(self.pixels)

    @property
    def grid_thw(self) -> tuple[int, int, int]:
        """The grid (T, h, w) of tokens."""
        return len(self.pixels) // self.form.temporal_patch_size, *self.tower.cells


def qwen3_vl(frames: int, heads: int, shrink: int, device: str, dtype: torch.dtype) -> Case:
    """Make the vision tower of Qwen3-VL-2B for frames of 448x448, or smaller by a factor."""
    side = 28 // shrink // 2 * 2
    sizes = {**shrunk(QWEN3_VL_2B, heads), "out_hidden_size": 2048}
    config = Qwen3VLVisionConfig(**sizes)
    model = Qwen3VLVisionModel._from_config(config, attn_implementation="sdpa").to(device, dtype)
    return Case(
        name="Qwen3-VL-2B",
        tower=FrameTower(model.eval(), (side, side)),
        form=QwenPixels(
            patch_size=16,
            temporal_patch_size=2,
            merge_size=2,
            resample="bicubic",
            mean=torch.full((3,), 127.5),
            std=torch.full((3,), 127.5),
        ),
        pixels=random_pixels(2 * frames, 16 * side, device),
        sizes=qwen_sizes(sizes),
    )


def molmo2(frames: int, heads: int, shrink: int, device: str, dtype: torch.dtype) -> Case:
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

    model = Molmo2Vision(Config).to(device, dtype).eval()
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
        sizes=TowerSizes(
            width=vision,
            inner=Config.vision_config.intermediate_size,
            blocks=tower.depth,
            values=3 * 14 * 14,
            connector=attention + gated,
        ),
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
    taken: Spread
    """The share of the time, of each round."""

    @property
    def over(self) -> float:
        """The share of the time as a multiple of the share of the FLOPs."""
        return self.taken.median / self.left

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
            f"{self.left:.3f} | {self.taken.text('.3f')} | {self.over:.2f} |"
        )


def share_left(case: Case, request: PruneRequest, choice: WindowChoice) -> float:
    """Return the share of the whole encoder's multiplications that a pruned run makes."""
    (frames, size, values), sizes = case.patches().shape, case.sizes
    windows = choice.kept.mask[0].numel()
    patches = case.tower.window_patches.shape[1]
    kept = [int(count) * patches for count in choice.kept.mask.flatten(1).sum(dim=1)]
    assert request.prune_at is not None
    at_input = request.prune_at == INPUT
    before = 0 if request.prune_at == INPUT else request.prune_at + 1 + (choice.bias is not None)
    embedding = values * sizes.width
    block = sizes.block([size] * frames)
    whole = frames * size * embedding + sizes.blocks * block + frames * windows * sizes.connector
    embedded = sum(kept) if at_input else frames * size
    rest = (sizes.blocks - before) * sizes.block(kept) + sum(kept) // patches * sizes.connector
    return (embedded * embedding + before * block + rest) / whole


def whole_work(case: Case, dtype: torch.dtype) -> Work:
    """Count the work of the whole encoder."""
    t, h, w = case.grid_thw
    patches = case.tower.size
    return work_of(case.sizes, frames=t, patches=patches, windows=h * w, itemsize=dtype.itemsize)


def scorer_of(case: Case, device: str) -> dict[str, Tensor]:
    """Make random weights of a scorer."""
    generator = torch.Generator().manual_seed(0)
    shapes = expected_shapes(case.sizes.width, SCORER_WIDTH)
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
        room = Room(device=torch.device(device), stay=True)
        prefix = Prefix(case.tower, request.prune_at, case.grid_thw[0], room)
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


def compare(case: Case, repeats: int, device: str, dtype: torch.dtype) -> tuple[list[Row], str]:
    """Make a row for every selection, and the roofline of the whole encoder."""
    inputs = PruneInputs(scorer=scorer_of(case, device), heads=case.tower.heads)
    asked = [*requests()]
    ways: dict[str, Callable[[], WindowChoice | None]] = {
        str(number): pruned_run(case, request, inputs, device)
        for number, request in enumerate(asked)
    }

    def whole() -> None:
        encode_frames(case.tower, case.patches())

    turns = take_turns({WHOLE: whole, **ways}, rounds=repeats, clock=clock_of(device))
    rows = []
    for request, way in zip(asked, ways, strict=True):
        choice = turns.last[way]
        assert choice is not None
        left = share_left(case, request, choice)
        rows.append(Row(case.name, request, left, turns.ratio(way, WHOLE)))
    frames = case.grid_thw[0] * case.tower.size
    ceiling = measure_ceiling(case.sizes, rows=frames, dtype=dtype, device=device)
    line = ceiling.line(whole_work(case, dtype), turns.of(WHOLE).median)
    return rows, f"{case.name}, the whole encoder. {line}"


def measure(
    *,
    repeats: int = 3,
    frames: int = 4,
    heads: int = 16,
    shrink: int = 1,
    dtype: str = "float32",
    device: str = "cpu",
) -> Report:
    """Measure medians of `repeats` rounds on `frames` frames, whose sides are divided by `shrink`.

    The width of a tower follows from its heads.
    """
    named, kind = check_device(device), getattr(torch, dtype)
    rows: list[Row] = []
    lines = []
    with torch.inference_mode():
        for make in (qwen3_vl, molmo2):
            torch.manual_seed(0)
            case = make(frames, heads, shrink, device, kind)
            found, line = compare(case, repeats, device, kind)
            rows += found
            lines.append(line)
    table = "\n".join(map(str, rows))
    vcast = [row.over for row in rows if row.request.pruner.name == "vcast"]
    spreads = {row.key: row.taken for row in rows}
    return Report(
        title="Pruning before the encoder and inside it",
        body=(
            f"{named}Random towers in {dtype}, {frames} frames, medians (least to most) of "
            f"{repeats} rounds in which the runs take turns. Shares of the whole encoder.\n\n"
            "| tower | method | budget | at | of the FLOPs | of the time | over |\n"
            f"|---|---|---:|---:|---:|---:|---:|\n{table}\n\n" + "\n\n".join(lines)
        ),
        figures={
            **medians_of(spreads),
            **{f"{row.key}, over": row.over for row in rows},
            "vcast, least over": min(vcast),
            "vcast, most over": max(vcast),
        },
        spread=ranges_of(spreads),
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
