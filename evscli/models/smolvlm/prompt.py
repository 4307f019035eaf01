"""A video in the prompt of SmolVLM2: its length in words, and every frame behind its time.

The tokens of a video are placeholders of images.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from evscli.models.contract import Marks, PromptFormat, VideoLayout
from evscli.models.parts.prompt import counted_layout, plain_output
from evscli.models.smolvlm.words import in_words
from evscli.records import PrunedVideo


def smol_marks(tokenizer: Any) -> Marks:
    """Return the tokenizer's own marks, or else their usual names."""
    around = getattr(tokenizer, "fake_image_token", "<fake_token_around_image>")
    return Marks(
        item=getattr(tokenizer, "video_token", "<video>"),
        start=around + getattr(tokenizer, "global_image_token", "<global-img>"),
        pad=getattr(tokenizer, "image_token", "<image>"),
        end=around,
    )


def introduced_layout(record: PrunedVideo, times: Sequence[float], marks: Marks) -> VideoLayout:
    """Lay a video out as a run for every frame behind its time, and what they are before all."""
    run = f"{marks.start}{marks.pad}{marks.end}"
    frames = [f"\nFrame from {clock(time)}:{run}" for time in times]
    length = timedelta(seconds=int(record.info.duration))
    intro = (
        f"You are provided the following series of {in_words(len(frames))} frames "
        f"from a {length} [H:MM:SS] video.\n"
    )
    return counted_layout(record, f"{intro}{''.join(frames)}\n\n")


def clock(time: float) -> str:
    """Return seconds as minutes and seconds."""
    return f"{int(time // 60):02d}:{int(time % 60):02d}"


PROMPT = PromptFormat(
    processor="transformers.models.smolvlm.processing_smolvlm:SmolVLMProcessor",
    timestamps=True,
    marks=smol_marks,
    image_item="<image>",
    layout=introduced_layout,
    encoder_output=plain_output,
    modality="image",
    axes=1,
    template="transformers.models.smolvlm.processing_smolvlm:DEFAULT_CHAT_TEMPLATE",
)
