"""A video in the prompt of VideoLLaMA3: the time and a run of tokens for every frame.

The model leaves tokens out by itself and counts positions over what is left, so that these are the
positions it was trained with: a pruned video has no gaps in them either.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evscli.models.contract import Marks, PromptFormat, VideoLayout
from evscli.models.parts.prompt import compact_layout, plain_output
from evscli.records import PrunedVideo


def video_llama_marks(tokenizer: Any) -> Marks:
    """Return the marks: the template writes the placeholder itself, with nothing around it."""
    token = getattr(tokenizer, "video_token", "<|video_pad|>")
    return Marks(item=token, start="", pad=token, end="")


def timed_layout(record: PrunedVideo, times: Sequence[float], marks: Marks) -> VideoLayout:
    """Lay a video out as a run for every frame, each behind its time."""
    return compact_layout(record, ",".join(f"Time {time:.1f}s:{marks.pad}" for time in times))


PROMPT = PromptFormat(
    processor="transformers.models.video_llama_3.processing_video_llama_3:VideoLlama3Processor",
    timestamps=True,
    marks=video_llama_marks,
    image_item="<|image_pad|>",
    layout=timed_layout,
    encoder_output=plain_output,
    axes=1,
)
