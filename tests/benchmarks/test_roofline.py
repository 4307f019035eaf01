"""FLOPs of a tower are those that torch counts, and a ceiling limits what can be reached."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLVisionConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionTransformerPretrainedModel,
)
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLVisionConfig
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionModel

from benchmarks.harness.roofline import Ceiling, Work, measure_ceiling, work_of
from benchmarks.harness.towers import (
    QWEN2_5_VL_7B,
    QWEN3_VL_2B,
    attended,
    qwen_sizes,
    shrunk,
)

GRID = (2, 12, 20)


def qwen3() -> tuple[Any, dict[str, Any]]:
    config = {**shrunk(QWEN3_VL_2B, 2), "depth": 6, "deepstack_visual_indexes": [1, 3]}
    return Qwen3VLVisionModel._from_config(
        Qwen3VLVisionConfig(**config), attn_implementation="eager"
    ), config


def qwen2_5() -> tuple[Any, dict[str, Any]]:
    config = {**shrunk(QWEN2_5_VL_7B, 2), "depth": 4, "fullatt_block_indexes": [1]}
    made = Qwen2_5_VLVisionConfig(**config)
    return Qwen2_5_VisionTransformerPretrainedModel._from_config(
        made, attn_implementation="eager"
    ), config


@pytest.mark.parametrize(("make", "patch"), [(qwen3, 16), (qwen2_5, 14)])
def test_flops_are_those_that_torch_counts(make: Any, patch: int) -> None:
    tower, config = make()
    t, h, w = GRID
    patches = torch.zeros(t * h * w, 3 * 2 * patch * patch)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        tower(patches, torch.tensor([GRID]))
    work = work_of(
        qwen_sizes(config, patch=patch),
        frames=t,
        patches=h * w,
        windows=h * w // 4,
        itemsize=4,
        attended=attended(config, (h, w)),
    )
    assert work.flops == counter.get_total_flops()


def test_bytes_are_weights_once_and_what_blocks_read_and_write() -> None:
    sizes = qwen_sizes({**QWEN3_VL_2B, "depth": 1, "deepstack_visual_indexes": []})
    work = work_of(sizes, frames=1, patches=4, windows=1, itemsize=2)
    weights = 1536 * 1024 + 12 * 1024**2 + 4096 * (4096 + 2048)
    assert work.moved == 2 * (weights + 4 * (1536 + 2 * 1024))


def test_the_ceiling_is_that_of_whatever_takes_longer() -> None:
    ceiling = Ceiling(flops=1e9, moved=1e6)
    assert ceiling.share(Work(flops=1e9, moved=1e3), 2.0) == 0.5
    assert ceiling.share(Work(flops=1e6, moved=1e6), 4.0) == 0.25
    line = ceiling.line(Work(flops=1e9, moved=1e3), 2.0)
    assert line.startswith("Roofline: 1.0 GFLOP and 0 MB in 2 s")
    assert "50 % of the measured ceiling" in line
    assert "arithmetic limits" in line
    assert "memory limits" in ceiling.line(Work(flops=1e6, moved=1e6), 4.0)


def test_a_ceiling_is_measured() -> None:
    sizes = qwen_sizes(shrunk(QWEN3_VL_2B, 1))
    ceiling = measure_ceiling(sizes, rows=8, dtype=torch.bfloat16)
    assert ceiling.flops > 0
    assert ceiling.moved > 0
