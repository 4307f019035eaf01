"""A video in the prompt of an Omni thinker: a run of tokens, whose temporal ids are its seconds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from evscli.models.contract import Marks, PromptFormat, VideoLayout
from evscli.models.parts.deepstack import deepstack_output
from evscli.models.parts.prompt import plain_output
from evscli.models.qwen_omni import sound
from evscli.models.qwen_omni.ids import cell_ids
from evscli.records import PrunedVideo

TOKENS = {
    "pad": "video_token",
    "start": "vision_bos_token",
    "end": "vision_eos_token",
    "sound": "audio_token",
    "sound_start": "audio_bos_token",
    "sound_end": "audio_eos_token",
}
"""The names of tokenizers for the marks."""


def omni_marks(tokenizer: Any, *, usual: dict[str, str]) -> Marks:
    """Return the tokenizer's own tokens of vision and sound, or else the usual ones."""
    found = {mark: getattr(tokenizer, name, usual[mark]) for mark, name in TOKENS.items()}
    return Marks(item=found["pad"], **found)


def timed_layout(
    record: PrunedVideo, times: Sequence[float], marks: Marks, *, dtype: torch.dtype
) -> VideoLayout:
    """Lay a video out as one run, with ids of `dtype`: what follows has ids above all of them."""
    ids = cell_ids(record, times, dtype=dtype)
    return VideoLayout(
        text=marks.pad,
        counts=record.keep_mask.sum()[None],
        advance=ids.max()[None] + 1,
        offsets=ids[:, record.keep_mask.flatten()],
    )


SECOND = PromptFormat(
    processor="transformers.models.qwen2_5_omni.processing_qwen2_5_omni:Qwen2_5OmniProcessor",
    timestamps=False,
    marks=partial(
        omni_marks,
        usual={
            "pad": "<|VIDEO|>",
            "start": "<|vision_bos|>",
            "end": "<|vision_eos|>",
            "sound": "<|AUDIO|>",
            "sound_start": "<|audio_bos|>",
            "sound_end": "<|audio_eos|>",
        },
    ),
    image_item="<|IMAGE|>",
    layout=partial(timed_layout, dtype=torch.int64),
    sounding=sound.SECOND,
    encoder_output=plain_output,
)
THIRD = PromptFormat(
    processor="transformers.models.qwen3_omni_moe.processing_qwen3_omni_moe:Qwen3OmniMoeProcessor",
    timestamps=False,
    marks=partial(
        omni_marks,
        usual={
            "pad": "<|video_pad|>",
            "start": "<|vision_start|>",
            "end": "<|vision_end|>",
            "sound": "<|audio_pad|>",
            "sound_start": "<|audio_start|>",
            "sound_end": "<|audio_end|>",
        },
    ),
    image_item="<|image_pad|>",
    layout=partial(timed_layout, dtype=torch.float32),
    sounding=sound.THIRD,
    encoder_output=deepstack_output,
)
