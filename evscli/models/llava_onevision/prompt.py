"""A video in the prompt of LLaVA-OneVision: one run of tokens, and a newline behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from evscli.errors import DamagedError
from evscli.models.contract import Marks, PromptFormat, VideoLayout
from evscli.models.parts.prompt import joined_output
from evscli.records import PrunedVideo


def llava_marks(tokenizer: Any) -> Marks:
    """Return the marks: the template writes the placeholder itself, with nothing around it."""
    token = getattr(tokenizer, "video_token", "<video>")
    return Marks(item=token, start="", pad=token, end="")


def run_layout(record: PrunedVideo, times: Sequence[float], marks: Marks) -> VideoLayout:
    """Lay a video out as one run of kept tokens and suffix.

    Positions are plain: a token has the one it would have with nothing pruned. Raises DamagedError
    where the shard lost the suffix.
    """
    del times
    if record.suffix is None:
        raise DamagedError(f"{record.id!r} lacks the token behind its video: prune it again")
    t, h, w = record.info.grid_thw
    cells = record.position_ids.long()
    behind = t * h * w + torch.arange(len(record.suffix))
    places = torch.cat([cells @ torch.tensor([h * w, w, 1]), behind])
    return VideoLayout(
        text=marks.pad,
        counts=torch.tensor([len(places)]),
        advance=t * h * w + len(behind),
        offsets=places.expand(3, -1),
    )


PROMPT = PromptFormat(
    processor="transformers.models.llava_onevision.processing_llava_onevision:"
    "LlavaOnevisionProcessor",
    timestamps=False,
    marks=llava_marks,
    image_item="<image>",
    layout=run_layout,
    encoder_output=joined_output,
    axes=1,
)
