"""Images and videos of no store have the positions that vLLM gives them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from vllm.model_executor.models.qwen2_5_vl import Qwen2_5_VLForConditionalGeneration
from vllm.model_executor.models.qwen3_vl import Qwen3VLForConditionalGeneration

from evscli.serving.vllm.qwen2_5_vl import EvsQwen2_5_VL
from evscli.serving.vllm.qwen3_vl import EvsQwen3VL

START, END, VIDEO, IMAGE = 1, 2, 3, 4
CONFIG = SimpleNamespace(
    vision_start_token_id=START,
    vision_end_token_id=END,
    video_token_id=VIDEO,
    image_token_id=IMAGE,
    vision_config=SimpleNamespace(spatial_merge_size=2, tokens_per_second=4),
)


def feature(kind: str, place: int, grid: tuple[int, int, int], **data: Any) -> Any:
    """An item of a prompt as vLLM describes it."""
    held = {f"{kind}_grid_thw": torch.tensor(grid), **data}
    return SimpleNamespace(
        modality=kind,
        mm_position=SimpleNamespace(offset=place),
        data={name: SimpleNamespace(data=value) for name, value in held.items()},
    )


def model_of(family: Any) -> Any:
    """A model without weights."""
    model = object.__new__(family)
    vars(model).update(config=CONFIG, _modules={}, _parameters={}, _buffers={})
    return model


def assert_same_positions(ours: Any, stock: Any, tokens: list[int], features: Any) -> None:
    """Assert that a family of the plugin gives a prompt the positions of vLLM's own."""
    found, delta = model_of(ours).get_mrope_input_positions(tokens, features)
    expected, expected_delta = stock.get_mrope_input_positions(model_of(stock), tokens, features)
    assert torch.equal(found, expected)
    assert delta == expected_delta


@pytest.mark.parametrize("seconds", [None, 0.1, 0.5, 1.0, 1.3])
def test_videos_of_qwen2_5_vl(seconds: float | None) -> None:
    more = {} if seconds is None else {"second_per_grid_ts": torch.tensor(seconds)}
    tokens = [9, START, *[IMAGE] * 6, END, 9, START, *[VIDEO] * 70 * 4, END, 9, 9]
    features = [feature("video", 11, (70, 4, 4), **more), feature("image", 2, (1, 4, 6))]
    assert_same_positions(EvsQwen2_5_VL, Qwen2_5_VLForConditionalGeneration, tokens, features)


def test_videos_of_qwen3_vl() -> None:
    frame = [9, 9, START, *[VIDEO] * 6, END]
    tokens = [9, START, *[IMAGE] * 6, END, START, *frame * 3, END, 9, 9]
    times = [0.0, 1.0, 2.0]
    features = [feature("video", 10, (3, 6, 4), timestamps=times), feature("image", 2, (1, 4, 6))]
    assert_same_positions(EvsQwen3VL, Qwen3VLForConditionalGeneration, tokens, features)
