"""The sizes of vision towers, as their configurations say them, for rooflines and random towers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.harness.roofline import TowerSizes

QWEN3_VL_2B: Mapping[str, Any] = {
    "depth": 24,
    "hidden_size": 1024,
    "num_heads": 16,
    "intermediate_size": 4096,
    "out_hidden_size": 2048,
    "deepstack_visual_indexes": [5, 11, 17],
}
QWEN3_VL_8B: Mapping[str, Any] = {
    "depth": 27,
    "hidden_size": 1152,
    "num_heads": 16,
    "intermediate_size": 4304,
    "out_hidden_size": 4096,
    "deepstack_visual_indexes": [8, 16, 24],
}
QWEN2_5_VL_7B: Mapping[str, Any] = {
    "depth": 32,
    "hidden_size": 1280,
    "num_heads": 16,
    "intermediate_size": 3420,
    "out_hidden_size": 3584,
    "fullatt_block_indexes": [7, 15, 23, 31],
}
"""The vision sizes in the published configurations of these models."""

WIDE_384: Mapping[str, Any] = {
    "depth": 12,
    "hidden_size": 384,
    "num_heads": 6,
    "intermediate_size": 1536,
    "out_hidden_size": 1024,
    "deepstack_visual_indexes": [3, 6, 9],
}
"""The sizes of a tower of no model, between `mini` and those."""

WINDOW = 8
"""The patches along a side of Qwen2.5-VL's windows of attention."""


def shrunk(config: Mapping[str, Any], heads: int) -> dict[str, Any]:
    """Return a configuration with this number of heads, and widths in proportion."""
    before, change = config["num_heads"], dict(config)
    for name in ("hidden_size", "intermediate_size", "out_hidden_size"):
        change[name] = config[name] * heads // before
    return {**change, "num_heads": heads}


def qwen_sizes(config: Mapping[str, Any], *, patch: int = 16) -> TowerSizes:
    """Return the sizes of a Qwen tower; only that of Qwen2.5-VL has windows and a gated MLP."""
    merged, planes = 4 * config["hidden_size"], len(config.get("deepstack_visual_indexes", ()))
    return TowerSizes(
        width=config["hidden_size"],
        inner=config["intermediate_size"],
        blocks=config["depth"],
        values=3 * 2 * patch * patch,
        connector=(1 + planes) * merged * (merged + config["out_hidden_size"]),
        products=3 if "fullatt_block_indexes" in config else 2,
    )


def attended(config: Mapping[str, Any], grid: tuple[int, int]) -> int:
    """Return the number of patches that one of a grid (H, W) attends to, the mean of all blocks."""
    whole, depth = grid[0] * grid[1], int(config["depth"])
    full = len(config.get("fullatt_block_indexes", range(depth)))
    squares = [sum(part * part for part in _parts(side)) for side in grid]
    windows = squares[0] * squares[1] / whole
    return round((full * whole + (depth - full) * windows) / depth)


def _parts(side: int) -> list[int]:
    return [min(WINDOW, side - start) for start in range(0, side, WINDOW)]
