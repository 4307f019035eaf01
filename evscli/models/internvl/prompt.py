"""A video in the prompt of InternVL: every frame is an image with its number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evscli.models.contract import Marks, PromptFormat, VideoLayout
from evscli.models.parts.prompt import counted_layout, joined_output
from evscli.records import PrunedVideo


def intern_marks(tokenizer: Any) -> Marks:
    """Return the tokenizer's own marks, or else their usual names."""
    return Marks(
        item=getattr(tokenizer, "video_token", "<video>"),
        start=getattr(tokenizer, "start_image_token", "<img>"),
        pad=getattr(tokenizer, "context_image_token", "<IMG_CONTEXT>"),
        end=getattr(tokenizer, "end_image_token", "</img>"),
    )


def numbered_layout(record: PrunedVideo, times: Sequence[float], marks: Marks) -> VideoLayout:
    """Lay a video out as a run for every frame, each behind its number, counted from 1."""
    frame = f"{marks.start}{marks.pad}{marks.end}"
    text = "\n".join(f"Frame{number}: {frame}" for number, _ in enumerate(times, 1))
    return counted_layout(record, text)


PROMPT = PromptFormat(
    processor="transformers.models.internvl.processing_internvl:InternVLProcessor",
    timestamps=False,
    marks=intern_marks,
    image_item="<IMG_CONTEXT>",
    layout=numbered_layout,
    encoder_output=joined_output,
    modality="image",
    axes=1,
)
