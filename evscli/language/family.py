"""What a video looks like inside the prompt of each model family.

Knows the placeholder text, the position ids of visual tokens and the output class that carries
them into the language model. Knows nothing about chat templates, batches or model weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor
from transformers.models.qwen3_vl.modeling_qwen3_vl import BaseModelOutputWithDeepstackFeatures
from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor
from transformers.video_utils import VideoMetadata

from evscli.errors import DamagedError, ModelError
from evscli.records import PrunedVideo


@dataclass(frozen=True, kw_only=True)
class Marks:
    """The special tokens around visual tokens, as text."""

    start: str
    pad: str
    end: str


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoLayout:
    """One video of a prompt: R runs of placeholders that hold its K kept tokens."""

    text: str
    """Stands for the chat template's placeholder; has one placeholder for each run."""
    counts: Tensor
    """[R] int64: tokens kept in each run, maybe 0."""
    advance: int
    """Positions a run takes up, whatever was kept of it."""
    offsets: Tensor
    """[3, K] int64: position ids (t, h, w) relative to the start of the token's run."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Family:
    """The language side of one model family."""

    processor: Any
    """Its processor class in the installed transformers."""
    timestamps: bool
    """Whether the prompt says the time of every temporal patch."""
    layout: Callable[[PrunedVideo, Sequence[float], Marks], VideoLayout]
    encoder_output: Callable[[Sequence[PrunedVideo], torch.device], Any]


def family_of(model_type: str) -> Family:
    """The family of a checkpoint's `model_type`; raises ModelError for an unsupported one."""
    try:
        return FAMILIES[model_type]
    except KeyError:
        known = ", ".join(FAMILIES)
        raise ModelError(
            f"no language-model side for model type {model_type!r} (supported: {known}): "
            "use a checkpoint of a supported type"
        ) from None


def framewise_layout(record: PrunedVideo, times: Sequence[float], marks: Marks) -> VideoLayout:
    """Qwen3-VL: a timestamp and a run of its own for every temporal patch, emptied ones included.

    Position ids are constant in time within a run: the text carries the time.
    """
    t, h, w = record.info.grid_thw
    cells = record.position_ids.long()
    return VideoLayout(
        text="".join(f"<{time:.1f} seconds>{marks.start}{marks.pad}{marks.end}" for time in times),
        counts=cells[:, 0].bincount(minlength=t),
        advance=max(h, w),
        offsets=(cells * torch.tensor([0, 1, 1])).T,
    )


def contiguous_layout(record: PrunedVideo, _times: Sequence[float], marks: Marks) -> VideoLayout:
    """Qwen2.5-VL: one run for the whole video; temporal ids grow with real time.

    Temporal id of patch i: floor(i * tokens_per_second * second_per_grid), in float32 as in
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
    """Qwen2.5-VL: temporal ids between two patches, a float32 scalar, by the processor's rule."""
    model = record.info.model
    if model.tokens_per_second is None:
        raise ModelError(
            f"the shard of {record.id!r} does not say its model's tokens_per_second: prune it again"
        )
    sampled = VideoMetadata(
        total_num_frames=record.info.source_frames,
        fps=record.info.source_fps,
        frames_indices=record.source_index.tolist(),
    )
    second_per_grid = torch.tensor(model.temporal_patch_size / sampled.sampled_fps)
    return model.tokens_per_second * second_per_grid


def plain_output(records: Sequence[PrunedVideo], device: torch.device) -> Any:
    """Visual tokens as the Qwen2.5-VL encoder returns them: one [K, D] per video."""
    return BaseModelOutputWithPooling(
        pooler_output=tuple(record.embeds.to(device) for record in records)
    )


def deepstack_output(records: Sequence[PrunedVideo], device: torch.device) -> Any:
    """Visual tokens as the Qwen3-VL encoder returns them, with a list over DeepStack planes."""
    planes = range(records[0].info.model.deepstack_planes)
    return BaseModelOutputWithDeepstackFeatures(
        pooler_output=tuple(record.embeds.to(device) for record in records),
        deepstack_features=[
            tuple(deepstack_plane(record, plane).to(device) for record in records)
            for plane in planes
        ],
    )


def deepstack_plane(record: PrunedVideo, plane: int) -> Tensor:
    """One plane [K, D]; raises DamagedError where the shard lost its planes."""
    if record.deepstack is None:
        raise DamagedError(f"{record.id!r} lacks its DeepStack planes: prune the video again")
    return record.deepstack[plane]


QWEN2_5_VL = Family(
    processor=Qwen2_5_VLProcessor,
    timestamps=False,
    layout=contiguous_layout,
    encoder_output=plain_output,
)
QWEN3_VL = Family(
    processor=Qwen3VLProcessor,
    timestamps=True,
    layout=framewise_layout,
    encoder_output=deepstack_output,
)
FAMILIES = {"qwen2_5_vl": QWEN2_5_VL, "qwen3_vl": QWEN3_VL, "qwen3_vl_moe": QWEN3_VL}
