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


def counted_layout(record: PrunedVideo, text: str) -> VideoLayout:
    """Lay a video out as a run for every frame, emptied ones included, with plain positions.

    A token has the position that it would have with nothing pruned.
    """
    t, h, w = record.info.grid_thw
    cells = record.position_ids.long()
    return VideoLayout(
        text=text,
        counts=cells[:, 0].bincount(minlength=t),
        advance=h * w,
        offsets=(cells[:, 1] * w + cells[:, 2]).expand(3, -1),
    )


def joined_output(records: Sequence[PrunedVideo], device: torch.device) -> Any:
    """Return the tokens of all videos, each with what stands behind it, as one [1, n, D].

    So do encoders whose output the model flattens; videos of different lengths are one.
    """
    parts = [part for record in records for part in (record.embeds, record.suffix)]
    rows = torch.cat([part for part in parts if part is not None])
    return BaseModelOutputWithPooling(pooler_output=rows[None].to(device))


def plain_output(records: Sequence[PrunedVideo], device: torch.device) -> Any:
    """Return visual tokens as encoders without DeepStack return them: one [K, D] per video."""
    return BaseModelOutputWithPooling(
        pooler_output=tuple(record.embeds.to(device) for record in records)
    )
