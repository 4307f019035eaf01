"""One video from file to stored tokens: pruned behind the encoder, inside it or before it.

The same clip goes through evs three times, pruned by V-CAST at the same budget in three places, and
once through the usual code with transformers, which prunes behind the encoder. They run in one
process and take turns; see `end_to_end` for the other side. The towers are random: one of 12 blocks
of width 384, and one of the size of Qwen3-VL-2B's with a shorter clip; each runs in float32 and in
bfloat16. Behind the encoder evs and the other side keep the same tokens but for rounding, which is
checked; the other places choose by other values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import torch
from torch import Tensor

from benchmarks.end_to_end import BUDGET, FPS, Sides, both_sides
from benchmarks.harness import Benchmark, Report, check_device
from benchmarks.harness.towers import QWEN3_VL_2B, WIDE_384, shrunk
from benchmarks.harness.turns import Spread, clock_of, medians_of, ranges_of, spread_of, take_turns
from evscli.encoders.device import has_units
from evscli.records import INPUT

INSIDE = 2
AGREEMENT = 0.99
"""The share of tokens that both sides must keep alike in float32: values differ by rounding. In
bfloat16 they differ so much that the share is only reported."""
TRANSFORMERS = "transformers by hand"


def ways_of(sides: Sides) -> dict[str, Callable[[], Tensor]]:
    """Return the ways by name. Those of evs are first."""
    return {
        "after": sides.ours(),
        "inside": sides.ours(INSIDE),
        "input": sides.ours(INPUT),
        TRANSFORMERS: sides.theirs,
    }


def alike(masks: Mapping[str, Tensor]) -> float:
    """Return the share of the tokens by hand that evs keeps too when it prunes there."""
    ours, theirs = masks["after"], masks[TRANSFORMERS]
    return float((ours & theirs).sum() / theirs.sum())


def check_alike(masks: Mapping[str, Tensor]) -> None:
    """Raise SystemExit where pruning behind the encoder keeps other tokens than by hand."""
    if alike(masks) < AGREEMENT:
        raise SystemExit("behind the encoder the two sides keep different tokens")


def compare(
    name: str, vision: Mapping[str, Any], *, rounds: int, seconds: int, height: int, **where: str
) -> tuple[str, dict[str, Spread], float]:
    """Return a section of the page, the spreads by figure, and the share of the ceiling."""
    with both_sides(vision, seconds=seconds, height=height, **where) as sides:
        ways, clock = ways_of(sides), clock_of(where["device"])
        check = check_alike if where["dtype"] == "float32" else alike
        turns = take_turns(ways, rounds=rounds, clock=clock, check=check)
        work, ceiling = sides.work(vision)
        grid = "x".join(map(str, sides.usual.info.grid_thw))
    ratios = {way: turns.ratio(TRANSFORMERS, way) for way in ways}
    rows = "\n".join(f"| {way} | {turns.of(way).text()} | {ratios[way].text()} |" for way in ways)
    taken = turns.of("after").median
    text = (
        f"## {name}\n\n{vision['depth']} blocks of width {vision['hidden_size']}, "
        f"{seconds} s of video, grid {grid}.\n\n"
        f"| way | seconds | {TRANSFORMERS} / way |\n|---|---:|---:|\n"
        f"{rows}\n\n{ceiling.line(work, taken)} The seconds are those of `after`, "
        f"decoding included. {100 * alike(turns.last):.1f} % of the tokens by hand are among those "
        "of `after`."
    )
    spreads = {f"{name} {way}": turns.of(way) for way in ways}
    spreads[f"{name} alike"] = spread_of([alike(turns.last)])
    spreads |= {f"{name} by hand / {way}": ratios[way] for way in ways if way != TRANSFORMERS}
    return text, spreads, ceiling.share(work, taken)


def measure(
    *,
    rounds: int = 2,
    seconds: int = 60,
    large_seconds: int = 8,
    height: int = 720,
    heads: int = 16,
    dtypes: str = "float32,bfloat16",
    device: str = "cpu",
) -> Report:
    """Measure both towers in all dtypes, the large one with `heads` and `large_seconds`."""
    named, towers = (
        check_device(device),
        {
            "small": (WIDE_384, seconds),
            "Qwen3-VL-2B": (shrunk(QWEN3_VL_2B, heads), large_seconds),
        },
    )
    units = "has" if has_units(torch.device(device), "bfloat16") else "lacks"
    sections, shares = [], {}
    spreads: dict[str, Spread] = {}
    for dtype, (tower, (vision, length)) in product(dtypes.split(","), towers.items()):
        name = tower if dtype == "float32" else f"{tower} {dtype}"
        text, found, share = compare(
            name, vision, rounds=rounds, seconds=length, height=height, dtype=dtype, device=device
        )
        sections.append(text)
        spreads |= found
        shares[f"{name} after, of the ceiling"] = share
    return Report(
        title="One video pruned behind the encoder, inside it and before it",
        body=(
            f"{named}{height * 16 // 9}x{height} H.264 at {FPS} fps, V-CAST at {BUDGET:g}, "
            f"median (least to most) of {rounds} rounds in turns; float32 where no dtype is named, "
            f"and the device {units} units for bfloat16. `inside` chooses after "
            f"block {INSIDE}, `input` before the first.\n\n" + "\n\n".join(sections)
        ),
        figures={**medians_of(spreads), **shares},
        spread=ranges_of(spreads),
    )


BENCHMARK = Benchmark(
    measure=measure,
    smoke={"rounds": 1, "seconds": 4, "large_seconds": 4, "height": 144, "heads": 2},
    code=(
        "encoders/early.py",
        "encoders/encoder.py",
        "encoders/pixels.py",
        "models/parts/attention.py",
        "models/parts/packing.py",
        "models/parts/patch_embedding.py",
        "models/parts/pixels.py",
        "pipeline/passes.py",
        "pruners/methods/vcast.py",
        "pruners/ops/pixels.py",
        "video/decode.py",
    ),
    minutes=8,
)
