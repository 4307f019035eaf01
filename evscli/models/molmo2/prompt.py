"""A video in the prompt of Molmo2: the time and a run of tokens for every frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evscli.models.contract import Marks, PromptFormat, VideoLayout
from evscli.models.parts.prompt import counted_layout, plain_output
from evscli.records import PrunedVideo


def molmo2_marks(tokenizer: Any) -> Marks:
    """Return the marks, of which the tokenizer names one."""
    return Marks(
        item=getattr(tokenizer, "video_token", "<|video|>"),
        start="<frame_start>",
        pad="<im_patch>",
        end="<frame_end>",
    )


def spaced_layout(record: PrunedVideo, times: Sequence[float], marks: Marks) -> VideoLayout:
    """Lay a video out as a run for every frame, each behind its time."""
    frame = f"{marks.start}{marks.pad}{marks.end}"
    return counted_layout(record, " ".join(f"{time:.1f} {frame}" for time in times))


PROMPT = PromptFormat(
    processor="transformers.models.molmo2.processing_molmo2:Molmo2Processor",
    timestamps=True,
    marks=molmo2_marks,
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
