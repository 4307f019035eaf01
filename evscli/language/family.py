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
from transformers.models.qwen3_vl.modeling_qwen3_vl import BaseModelOutputWithDeepstackFeatures
from transformers.video_utils import VideoMetadata

from evscli.encoders.families import require_installed
from evscli.errors import DamagedError, ModelError
from evscli.records import PrunedVideo


@dataclass(frozen=True, kw_only=True)
class Marks:
    """The special tokens around visual tokens, as text."""

    item: str
    """What the chat template writes for a video."""
    start: str
    pad: str
    """What stands for one visual token."""
    end: str

    @classmethod
    def qwen(cls, tokenizer: Any) -> Marks:
        """The tokenizer's own vision tokens, else the names that Qwen families use."""
        pad = getattr(tokenizer, "video_token", "<|video_pad|>")
        return cls(
            item=pad,
            start=getattr(tokenizer, "vision_start_token", "<|vision_start|>"),
            pad=pad,
            end=getattr(tokenizer, "vision_end_token", "<|vision_end|>"),
        )

    @classmethod
    def molmo2(cls, tokenizer: Any) -> Marks:
        """Those of Molmo2."""
        return cls(
            item=getattr(tokenizer, "video_token", "<|video|>"),
            start="<frame_start>",
            pad="<im_patch>",
            end="<frame_end>",
        )


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

    processor: str
    """Its processor class in transformers, written `module:name` and imported when used."""
    timestamps: bool
    """Whether the prompt says the time of every temporal patch."""
    marks: Callable[[Any], Marks]
    """Of a tokenizer."""
    image_item: str
    """What the chat template writes for an image, where the tokenizer does not say."""
    layout: Callable[[PrunedVideo, Sequence[float], Marks], VideoLayout]
    encoder_output: Callable[[Sequence[PrunedVideo], torch.device], Any]
    axes: int = 3
    """Of position ids: (t, h, w), or 1 for plain ones."""
    begins: bool = False
    """Whether a prompt begins with the tokenizer's first token, whatever the template says."""
    seen_whole: tuple[str, ...] = ()
    """Tokens that attend to each other in both directions: the model must be told which."""


def family_of(model_type: str, *, model: str = "this model") -> Family:
    """The family of a checkpoint's `model_type`.

    Raises ModelError for an unsupported one, and for one that the installed transformers lacks.
    """
    try:
        family = FAMILIES[model_type]
    except KeyError:
        known = ", ".join(FAMILIES)
        raise ModelError(
            f"no language-model side for model type {model_type!r} (supported: {known}): "
            "use a checkpoint of a supported type"
        ) from None
    require_installed(model_type, model=model)
    return family


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


def spaced_layout(record: PrunedVideo, times: Sequence[float], marks: Marks) -> VideoLayout:
    """Molmo2: the time and a run of its own for every frame, emptied ones included.

    Positions are plain: a token has the one it would have with nothing pruned.
    """
    t, h, w = record.info.grid_thw
    cells = record.position_ids.long()
    place = cells[:, 1] * w + cells[:, 2]
    return VideoLayout(
        text=" ".join(f"{time:.1f} {marks.start}{marks.pad}{marks.end}" for time in times),
        counts=cells[:, 0].bincount(minlength=t),
        advance=h * w,
        offsets=place.expand(3, -1),
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
    first = 0 if record.info.part is None else record.info.part.first_frame
    sampled = VideoMetadata(
        total_num_frames=record.info.source_frames,
        fps=record.info.source_fps,
        frames_indices=(record.source_index - first).tolist(),
    )
    second_per_grid = torch.tensor(model.temporal_patch_size / sampled.sampled_fps)
    return model.tokens_per_second * second_per_grid


def plain_output(records: Sequence[PrunedVideo], device: torch.device) -> Any:
    """Visual tokens as encoders without DeepStack return them: one [K, D] per video."""
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
    processor="transformers.models.qwen2_5_vl.processing_qwen2_5_vl:Qwen2_5_VLProcessor",
    timestamps=False,
    marks=Marks.qwen,
    image_item="<|image_pad|>",
    layout=contiguous_layout,
    encoder_output=plain_output,
)
QWEN3_VL = Family(
    processor="transformers.models.qwen3_vl.processing_qwen3_vl:Qwen3VLProcessor",
    timestamps=True,
    marks=Marks.qwen,
    image_item="<|image_pad|>",
    layout=framewise_layout,
    encoder_output=deepstack_output,
)
MOLMO2 = Family(
    processor="transformers.models.molmo2.processing_molmo2:Molmo2Processor",
    timestamps=True,
    marks=Marks.molmo2,
    image_item="<|image|>",
    layout=spaced_layout,
    encoder_output=plain_output,
    axes=1,
    begins=True,
    seen_whole=(
        "<im_patch>",
        "<im_col>",
        "<im_start>",
        "<low_res_im_start>",
        "<frame_start>",
        "<im_end>",
        "<frame_end>",
        "<im_low>",
    ),
)
FAMILIES = {
    "qwen2_5_vl": QWEN2_5_VL,
    "qwen3_vl": QWEN3_VL,
    "qwen3_vl_moe": QWEN3_VL,
    "molmo2": MOLMO2,
}
