"""A video in the prompt of Nemotron-Omni: pairs of frames behind their numbers and times.

The tokens of a video are placeholders of images.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from evscli.models.contract import Marks, PromptFormat, VideoLayout
from evscli.models.parts.prompt import counted_layout, plain_output
from evscli.records import PrunedVideo


def nemotron_marks(tokenizer: Any) -> Marks:
    """Return the tokenizer's own marks, or else their usual names."""
    return Marks(
        item=getattr(tokenizer, "video_token", "<video>"),
        start=getattr(tokenizer, "image_start_token", "<img>"),
        pad=getattr(tokenizer, "image_token", "<image>"),
        end=getattr(tokenizer, "image_end_token", "</img>"),
    )


def nominal_times(record: PrunedVideo) -> Tensor:
    """Return the times [F] that the processor writes: of frames that last whole milliseconds."""
    patch, index = record.info.model.temporal_patch_size, record.source_index
    first = torch.arange(len(index)) // patch
    since = (index - index[first * patch]) * int(1000.0 / record.info.source_fps)
    return ((record.prompt_times * 1000).round()[first] + since) / 1000.0


def paired_layout(record: PrunedVideo, times: Sequence[float], marks: Marks) -> VideoLayout:
    """Lay a video out as a run for every temporal patch, behind the `times` [F] of its frames."""
    sampled = iter(f"rame {n} sampled at {time:.2f} seconds" for n, time in enumerate(times, 1))
    patch = record.info.model.temporal_patch_size
    labels = [" and f".join(islice(sampled, patch)) for _ in range(record.info.grid_thw[0])]
    run = f"{marks.start}{marks.pad}{marks.end}"
    return counted_layout(record, "\n".join(f"F{label}: {run}" for label in labels))


PROMPT = PromptFormat(
    processor="transformers.models.nemotron_h_omni.processing_nemotron_h_omni:"
    "NemotronH_Omni_Reasoning_V3Processor",
    timestamps=True,
    marks=nemotron_marks,
    image_item="<image>",
    layout=paired_layout,
    encoder_output=plain_output,
    frame_times=nominal_times,
    # Their placeholders are those of images, by which generate counts them for its beams. Under the
    # key of videos the model would prune once more, where its configuration has a pruning rate.
    modality="image",
    axes=1,
    recurrent=True,
)
