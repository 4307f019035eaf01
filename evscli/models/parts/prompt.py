"""Pieces that the prompts of several families have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

from evscli.models.contract import Marks
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


def plain_output(records: Sequence[PrunedVideo], device: torch.device) -> Any:
    """Return visual tokens as encoders without DeepStack return them: one [K, D] per video."""
    return BaseModelOutputWithPooling(
        pooler_output=tuple(record.embeds.to(device) for record in records)
    )
