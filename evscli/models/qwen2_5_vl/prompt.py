"""A video in the prompt of Qwen2.5-VL: one run of tokens; temporal ids grow with real time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from evscli.models.contract import Marks, PromptFormat, VideoLayout
from evscli.models.parts.prompt import plain_output, qwen_marks
from evscli.models.parts.times import second_per_grid, tokens_per_second
from evscli.records import PrunedVideo


def contiguous_layout(record: PrunedVideo, _times: Sequence[float], marks: Marks) -> VideoLayout:
    """Lay a video out as one run.

    The temporal id of patch i is floor(i * tokens_per_second * second_per_grid), in float32 as in
    `get_rope_index` of transformers.
    """
    t, h, w = record.info.grid_thw
    cells = record.position_ids.long()
    temporal = (torch.arange(t) * temporal_interval(record)).long()
    return VideoLayout(
        text=marks.pad,
        counts=torch.tensor([len(cells)]),
        advance=max(h, w),
        offsets=torch.stack([temporal[cells[:, 0]], cells[:, 1], cells[:, 2]]),
    )


def temporal_interval(record: PrunedVideo) -> Tensor:
    """Return the temporal ids between two patches, a float32 scalar, by the processor's rule."""
    seconds = second_per_grid(record.info, len(record.source_index))
    return tokens_per_second(record.info) * torch.tensor(seconds)


PROMPT = PromptFormat(
    processor="transformers.models.qwen2_5_vl.processing_qwen2_5_vl:Qwen2_5_VLProcessor",
    timestamps=False,
    marks=qwen_marks,
    image_item="<|image_pad|>",
    layout=contiguous_layout,
    encoder_output=plain_output,
)
