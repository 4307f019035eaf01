"""A video in the prompt of an Omni thinker: a run of tokens, whose temporal ids are its seconds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from evscli.models.contract import Marks, PromptFormat, VideoLayout
from evscli.models.parts.deepstack import deepstack_output
from evscli.models.parts.prompt import plain_output
from evscli.models.parts.times import tokens_per_second
from evscli.records import PrunedVideo


def omni_marks(tokenizer: Any, *, pad: str, start: str, end: str) -> Marks:
    """Return the tokenizer's own vision tokens, or else the names that are given."""
    pad = getattr(tokenizer, "video_token", pad)
    return Marks(
        item=pad,
        start=getattr(tokenizer, "vision_bos_token", start),
        pad=pad,
        end=getattr(tokenizer, "vision_eos_token", end),
    )


def timed_layout(
    record: PrunedVideo, times: Sequence[float], marks: Marks, *, dtype: torch.dtype
) -> VideoLayout:
    """Lay a video out as one run, with ids of `dtype`: what follows has ids above all of them."""
    ids = cell_ids(record, times, dtype=dtype)
    return VideoLayout(
        text=marks.pad,
        counts=record.keep_mask.sum()[None],
        advance=ids.max()[None] + 1,
        offsets=ids[:, record.keep_mask.flatten()],
    )


def cell_ids(record: PrunedVideo, times: Sequence[float], *, dtype: torch.dtype) -> Tensor:
    """Return the ids (t, h, w) of all cells, [3, T*h*w] from 0, kept or not.

    Temporal ids are multiplied in float32, as in `get_rope_index` of transformers.
    """
    t, h, w = record.info.grid_thw
    seconds = torch.tensor(times[1] if t > 1 else 0.0)
    temporal = torch.arange(t) * seconds * tokens_per_second(record.info)
    axes = (temporal.to(dtype), torch.arange(h, dtype=dtype), torch.arange(w, dtype=dtype))
    return torch.stack(torch.meshgrid(*axes, indexing="ij")).flatten(1)


SECOND = PromptFormat(
    processor="transformers.models.qwen2_5_omni.processing_qwen2_5_omni:Qwen2_5OmniProcessor",
    timestamps=False,
    marks=partial(omni_marks, pad="<|VIDEO|>", start="<|vision_bos|>", end="<|vision_eos|>"),
    image_item="<|IMAGE|>",
    layout=partial(timed_layout, dtype=torch.int64),
    encoder_output=plain_output,
)
THIRD = PromptFormat(
    processor="transformers.models.qwen3_omni_moe.processing_qwen3_omni_moe:Qwen3OmniMoeProcessor",
    timestamps=False,
    marks=partial(omni_marks, pad="<|video_pad|>", start="<|vision_start|>", end="<|vision_end|>"),
    image_item="<|image_pad|>",
    layout=partial(timed_layout, dtype=torch.float32),
    encoder_output=deepstack_output,
)
