"""Qwen2.5-VL and Qwen3-VL: the tiny models of `tests.checkpoints`.

Their wrong values are those of tests/encoders/test_saved_values.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from evscli.encoders.processor import import_class
from evscli.records import PrunedVideo
from tests.checkpoints import (
    QWEN2_5_VIDEO_PROCESSOR,
    QWEN3_VIDEO_PROCESSOR,
    make_config,
)
from tests.families.case import Case
from tests.language.reference import PROCESSORS, Clip, reference_inputs

smart_resize = import_class("transformers.models.qwen3_vl.video_processing_qwen3_vl:smart_resize")
of_frame = import_class("transformers.models.qwen2_vl.video_processing_qwen2_vl:smart_resize")


def own_inputs(
    model: Any, tokenizer: Any, record: PrunedVideo, frames: Tensor, messages: Any
) -> dict[str, Any]:
    """What the processor makes of a video; later families have that of Qwen3-VL."""
    family = model.config.model_type
    values = QWEN2_5_VIDEO_PROCESSOR if family == "qwen2_5_vl" else QWEN3_VIDEO_PROCESSOR
    resized = interpolate(frames, record.info.resized_size, mode="bicubic", antialias=True).float()
    mean, std = (
        torch.tensor(values[name]).view(3, 1, 1) * 255 for name in ("image_mean", "image_std")
    )
    t, h, w = record.info.grid_thw
    size = record.info.model.patch_size
    blocks = ((resized - mean) / std).view(t, 2, 3, h, 2, size, w, 2, size)
    clip = Clip(
        pixels=blocks.permute(0, 3, 6, 4, 7, 2, 1, 5, 8).reshape(4 * t * h * w, -1),
        grid=record.info.grid_thw,
        indices=record.source_index.tolist(),
        fps=record.info.source_fps,
        frames=record.info.source_frames,
    )
    known = family if family in PROCESSORS else "qwen3_vl"
    return dict(reference_inputs(known, tokenizer, [clip], messages))


def positions(model: Any, own: Mapping[str, Any]) -> Tensor:
    """The model's own [3, 1, S]."""
    known = ("input_ids", "mm_token_type_ids", "video_grid_thw", "second_per_grid_ts")
    given = {name: own[name] for name in known if name in own}
    found: Tensor = model.model.get_rope_index(**given)[0]
    return found


def size_of_frames(own: Any, frames: int, height: int, width: int) -> tuple[int, int]:
    """The size by the pixels of the whole video."""
    edges = {"min_pixels": own.size["shortest_edge"], "max_pixels": own.size["longest_edge"]}
    found: tuple[int, int] = smart_resize(
        frames, height, width, temporal_factor=2, factor=16, **edges
    )
    return found


def size_of_frame(own: Any, frames: int, height: int, width: int) -> tuple[int, int]:
    """The size by the pixels of a frame."""
    del frames
    edges = {"min_pixels": own.size["shortest_edge"], "max_pixels": own.size["longest_edge"]}
    found: tuple[int, int] = of_frame(height, width, factor=28, **edges)
    return found


CASES = tuple(
    Case(
        model_type=model_type,
        config=lambda _, model_type=model_type: make_config(model_type),
        processor=processor,
        own_inputs=own_inputs,
        positions=positions,
        pad="<|video_pad|>",
        own_size=own_size,
    )
    for model_type, processor, own_size in (
        ("qwen2_5_vl", {**QWEN2_5_VIDEO_PROCESSOR, "fps": 6}, size_of_frame),
        ("qwen3_vl", QWEN3_VIDEO_PROCESSOR, size_of_frames),
        ("qwen3_vl_moe", QWEN3_VIDEO_PROCESSOR, size_of_frames),
    )
)
