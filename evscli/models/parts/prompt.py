"""Pieces that the prompts of several families have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
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


def compact_layout(record: PrunedVideo, text: str) -> VideoLayout:
    """Lay a video out as a run for every frame, with plain positions counted over what was kept.

    This is for models that leave tokens out by themselves and count so.
    """
    counts = record.position_ids[:, 0].long().bincount(minlength=record.info.grid_thw[0])
    before = (counts.cumsum(0) - counts).repeat_interleave(counts)
    places = torch.arange(len(before), device=before.device) - before
    return VideoLayout(text=text, counts=counts, advance=counts, offsets=places.expand(3, -1))


class JoinedRows(list[Tensor]):
    """Rows [K, D] of several videos, for a model that expects one tensor [1, n, D] of all.

    `generate` repeats the videos of every prompt for its beams, so they stay apart until then.
    """

    def flatten(self, *_: int) -> Tensor:
        """Return the rows as [n, D]."""
        return torch.cat([*self])

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return the rows as [n, D], moved and cast as `Tensor.to` does."""
        return self.flatten().to(*args, **kwargs)


@dataclass
class JoinedOutput(BaseModelOutputWithPooling):  # type: ignore[misc]
    """An encoder's output that holds `JoinedRows`, whatever list is put in their place."""

    def __setattr__(self, name: str, value: Any) -> None:
        is_list = name == "pooler_output" and isinstance(value, list)
        super().__setattr__(name, JoinedRows(value) if is_list else value)


def joined_output(records: Sequence[PrunedVideo], device: torch.device) -> Any:
    """Return the tokens of videos, each with what stands behind it, as encoders do that join them.

    Such an encoder returns [1, n, D], which cannot hold videos of different lengths.
    """
    rows = [
        record.embeds if record.suffix is None else torch.cat([record.embeds, record.suffix])
        for record in records
    ]
    return JoinedOutput(pooler_output=JoinedRows(each.to(device) for each in rows))


def plain_output(records: Sequence[PrunedVideo], device: torch.device) -> Any:
    """Return visual tokens as encoders without DeepStack return them: one [K, D] per video."""
    return BaseModelOutputWithPooling(
        pooler_output=tuple(record.embeds.to(device) for record in records)
    )
