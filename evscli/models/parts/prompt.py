"""Pieces that the prompts of several families have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

from evscli.models.contract import Marks, VideoLayout
from evscli.records import PrunedVideo


def qwen_marks(tokenizer: Any) -> Marks:
    """Return the tokenizer's own vision tokens, or else the names that Qwen families use."""
    pad = getattr(tokenizer, "video_token", "<|video_pad|>")
    return Marks(
        item=pad,
        start=getattr(tokenizer, "vision_start_token", "<|vision_start|>"),
        pad=pad,
        end=getattr(tokenizer, "vision_end_token", "<|vision_end|>"),
    )


def framewise_layout(record: PrunedVideo, times: Sequence[float], marks: Marks) -> VideoLayout:
    """Lay a video out as a run for every temporal patch, emptied ones included.

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


def plain_output(records: Sequence[PrunedVideo], device: torch.device) -> Any:
    """Return visual tokens as encoders without DeepStack return them: one [K, D] per video."""
    return BaseModelOutputWithPooling(
        pooler_output=tuple(record.embeds.to(device) for record in records)
    )
