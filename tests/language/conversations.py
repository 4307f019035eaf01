"""Chat templates with the traits of those that the supported models have, and a tokenizer for them.

Each is written for these tests: what is theirs is how they treat a conversation.
"""

from __future__ import annotations

from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from tests.checkpoints import MOLMO2_TOKENS

ITEMS = """
{%- macro says(message) -%}
{%- if message.content is string -%}{{ message.content }}{%- else -%}
{%- for item in message.content or [] -%}
{%- if item.type == 'video' -%}<|vision_start|><|video_pad|><|vision_end|>
{%- elif item.type == 'image' -%}<|vision_start|><|image_pad|><|vision_end|>
{%- else -%}{{ item.text }}{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
"""

INTRODUCED = (
    ITEMS
    + """
{%- for message in messages -%}
{%- if loop.first and message.role != 'system' -%}
{{- '<|im_start|>system\nYou help.<|im_end|>\n' -}}
{%- endif -%}
{{- '<|im_start|>' + message.role + '\n' + says(message) + '<|im_end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}
"""
)
"""Begins with a system turn of its own."""

CALLING = (
    ITEMS
    + """
{%- for message in messages -%}
{%- if message.role == 'tool' -%}
{{- '<|im_start|>user\n<tool_response>\n' + says(message) + '\n</tool_response>' -}}
{%- else -%}
{{- '<|im_start|>' + message.role + '\n' + says(message) -}}
{%- for call in message.tool_calls or [] -%}
{%- if says(message) or not loop.first -%}{{- '\n' -}}{%- endif -%}
{{- '<tool_call>\n' + call.name + '\n</tool_call>' -}}
{%- endfor -%}
{%- endif -%}
{{- '<|im_end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}
"""
)
"""Writes tool calls behind what the assistant says."""

REASONING = (
    ITEMS
    + """
{%- set last = namespace(user=0) -%}
{%- for message in messages -%}
{%- if message.role == 'user' -%}{%- set last.user = loop.index0 -%}{%- endif -%}
{%- endfor -%}
{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\n' -}}
{%- set said = says(message) -%}
{%- if message.role == 'assistant' -%}
{%- set thought = said.split('</think>')[0].split('<think>')[-1] if '</think>' in said else '' -%}
{%- set said = said.split('</think>')[-1].lstrip('\n') -%}
{%- if loop.index0 > last.user -%}
{{- '<think>\n' + thought.strip('\n') + '\n</think>\n\n' -}}
{%- endif -%}
{%- endif -%}
{{- said + '<|im_end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n<think>\n' -}}{%- endif -%}
"""
)
"""Opens answers with thoughts, and leaves out those of earlier answers."""

GATHERED = """
{%- for message in messages -%}
{%- for item in message.content if message.content is not string and item.type == 'video' -%}
<|video|>
{%- endfor -%}
{%- endfor -%}
{%- for message in messages -%}
{%- if (loop.index0 % 2 == 0) != (message.role == 'user') -%}
{{- raise_exception('turns must alternate') -}}
{%- endif -%}
{%- if message.role == 'user' and not loop.first -%}{{- '<|im_end|>\n' -}}{%- endif -%}
{{- '<|im_start|>' + message.role + '\n' -}}
{%- if message.content is string -%}{{- message.content -}}
{%- else -%}
{{- message.content | selectattr('type', 'equalto', 'text') | join(' ', attribute='text') -}}
{%- endif -%}
{%- if message.role == 'user' -%}{{- '<|im_end|>\n' -}}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}
"""
"""Puts all videos first, and ends an answer only where another question follows."""

TEXTS = [
    "a small bird sits on a fence, then it flies away to the left",
    "<think>\nthe fence is brown\n</think>\n\nwhat happens first? How many birds are there?\n\n",
    "assistant user system 0.5 1.5 seconds Two birds: one is red, the other is blue. Ünïcode 猫 🎈",
]
SPECIAL = (
    "<|endoftext|> <|im_start|> <|im_end|> <|vision_start|> <|vision_end|> <|video_pad|> "
    "<|image_pad|>"
)


def byte_tokenizer(template: str) -> Any:
    """A byte-level BPE tokenizer, as all supported models have one, with a chat template."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[*SPECIAL.split(), *MOLMO2_TOKENS],
    )
    inner.train_from_iterator(TEXTS, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    tokenizer.chat_template = template
    return tokenizer
