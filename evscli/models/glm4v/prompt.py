"""A video in the prompt of GLM-4V: a run of tokens for every temporal patch, and its time behind.

The tokens of a video are placeholders of images between the marks of a video.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from evscli.models.contract import Marks, PromptFormat, VideoLayout
from evscli.models.parts.prompt import framewise_layout, plain_output
from evscli.records import PrunedVideo


def glm_marks(tokenizer: Any) -> Marks:
    """Return the tokenizer's own placeholders, or else their usual names."""
    return Marks(
        item=getattr(tokenizer, "video_token", "<|video|>"),
        start="<|begin_of_image|>",
        pad=getattr(tokenizer, "image_token", "<|image|>"),
        end="<|end_of_image|>",
    )


def timed_layout(
    written: Callable[[float], str],
) -> Callable[[PrunedVideo, Sequence[float], Marks], VideoLayout]:
    """Return the function that lays a video out with times as `written`."""

    def layout(record: PrunedVideo, times: Sequence[float], marks: Marks) -> VideoLayout:
        """Lay a video out as a run for every temporal patch, emptied ones included."""
        run = f"{marks.start}{marks.pad}{marks.end}"
        runs = framewise_layout(record, times, marks)
        return replace(runs, text="".join(f"{run}{written(time)}" for time in times))

    return layout


WHOLE_SECONDS = PromptFormat(
    processor="transformers.models.glm4v.processing_glm4v:Glm4vProcessor",
    timestamps=True,
    marks=glm_marks,
    image_item="<|image|>",
    layout=timed_layout(lambda time: str(int(time))),
    encoder_output=plain_output,
    # Their placeholders are those of images, by which generate counts them for its beams.
    modality="image",
)
TENTHS = replace(
    WHOLE_SECONDS,
    processor="transformers.models.glm46v.processing_glm46v:Glm46VProcessor",
    layout=timed_layout(lambda time: f"{time:.1f} seconds"),
)
