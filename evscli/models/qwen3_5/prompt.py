"""A video in the prompt of Qwen3.5: that of Qwen3-VL, of tokens without DeepStack planes."""

from __future__ import annotations

from evscli.models.contract import PromptFormat
from evscli.models.parts.prompt import framewise_layout, plain_output, qwen_marks

PROMPT = PromptFormat(
    processor="transformers.models.qwen3_vl.processing_qwen3_vl:Qwen3VLProcessor",
    timestamps=True,
    marks=qwen_marks,
    image_item="<|image_pad|>",
    layout=framewise_layout,
    encoder_output=plain_output,
    recurrent=True,
)
