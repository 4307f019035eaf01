"""A video in the prompt of Qwen3-VL: a timestamp and a run of tokens for every temporal patch."""

from __future__ import annotations

from evscli.models.contract import PromptFormat
from evscli.models.parts.deepstack import deepstack_output
from evscli.models.parts.prompt import framewise_layout, qwen_marks

PROMPT = PromptFormat(
    processor="transformers.models.qwen3_vl.processing_qwen3_vl:Qwen3VLProcessor",
    timestamps=True,
    marks=qwen_marks,
    image_item="<|image_pad|>",
    layout=framewise_layout,
    encoder_output=deepstack_output,
)
