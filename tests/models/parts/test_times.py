"""The times of temporal patches are those of transformers' processor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedModel
from transformers.video_utils import VideoMetadata

from evscli.errors import ModelError
from evscli.models.parts.times import second_per_grid, tokens_per_second
from tests.language.reference import make_clip, make_info


@given(frames=st.integers(1, 800), source=st.integers(1, 10**7), fps=st.floats(0.01, 240))
def test_the_distance_of_patches_is_that_of_the_processor(
    models: dict[str, PreTrainedModel], frames: int, source: int, fps: float
) -> None:
    model = models["qwen2_5_vl"]
    info = make_info(model, make_clip(model, (1, 2, 2), seed=0))
    info = replace(info, source_frames=source, source_fps=fps)
    indices: list[Any] = list(range(frames))
    metadata = VideoMetadata(total_num_frames=source, fps=fps, frames_indices=indices)
    assert second_per_grid(info, frames) == 2 / metadata.sampled_fps


def test_a_shard_without_them_is_refused(models: dict[str, PreTrainedModel]) -> None:
    model = models["qwen3_vl"]
    info = make_info(model, make_clip(model, (1, 2, 2), seed=0))
    with pytest.raises(ModelError, match="does not say its model's tokens_per_second"):
        tokens_per_second(info)
    seen = models["qwen2_5_vl"]
    assert tokens_per_second(make_info(seen, make_clip(seen, (1, 2, 2), seed=0))) == 2
