"""Loads a language model once and answers prefilled prompts, handing out text as it comes.

Knows nothing about shards or stores: it takes what `prefill` returns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForImageTextToText, AutoTokenizer, TextStreamer

from evscli.device_errors import device_errors
from evscli.encoders.checkpoint import family_of_checkpoint, part_of
from evscli.encoders.device import resolve_device, resolve_dtype
from evscli.encoders.files import Model, find_model
from evscli.errors import ModelError
from evscli.texts import first_line

enough_memory = partial(device_errors, advice="use a smaller budget or model, or --device cpu")
"""The context `enough_memory(device, need)` that turns errors of a device into a DeviceError."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LanguageModel:
    """A loaded model with its tokenizer."""

    name: str
    """Hub id, `mini`, or a local folder's own name."""
    model: Any
    tokenizer: Any


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer of a model, and the time that it took."""

    text: str
    prompt_tokens: int
    new_tokens: int
    seconds_to_first_token: float
    """The seconds from the call of the model until its first token was chosen."""
    seconds: float


def load_language_model(
    model: Model,
    *,
    revision: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
) -> LanguageModel:
    """Load a checkpoint by `mini`, a local folder or a hub id.

    `revision` is a branch, tag or commit of a checkpoint on the hub. `device` is auto, cpu, cuda or
    cuda:N; `dtype` auto (as stored), float32, bfloat16 or float16.
    Raises ModelError where the checkpoint is unsupported or incomplete, DeviceError for a device
    that is not there.
    """
    files = find_model(model, revision=revision)
    family = family_of_checkpoint(files)  # an unsupported one is refused before its weights come
    target = resolve_device(device)
    width = "auto" if dtype == "auto" else resolve_dtype(dtype, stored=torch.float32)
    try:
        tokenizer = AutoTokenizer.from_pretrained(**files.pretrained, trust_remote_code=False)
        config = AutoConfig.from_pretrained(**files.pretrained, trust_remote_code=False)
        loaded, report = AutoModelForImageTextToText.from_pretrained(
            **files.pretrained,
            config=part_of(config, family),
            dtype=width,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except Exception as error:  # a checkpoint can be broken in as many ways as it has parts
        raise ModelError(
            f"{files.name} cannot be loaded as a language model ({first_line(error)}): "
            "get the checkpoint again, or name another"
        ) from error
    if missing := sorted(report["missing_keys"]):
        raise ModelError(
            f"{files.name} lacks {len(missing)} weights, among them {missing[0]}: "
            "name a complete checkpoint"
        )
    with enough_memory(target, f"for {files.name}"):
        loaded = loaded.eval().to(target)
    return LanguageModel(name=files.name, model=loaded, tokenizer=tokenizer)


def answer(
    language: LanguageModel,
    inputs: Mapping[str, Any],
    *,
    max_new_tokens: int,
    on_text: Callable[[str], None] | None = None,
) -> Answer:
    """Answer one prefilled prompt greedily; `on_text` gets every piece of text once it is final.

    `generate` calls back instead of filling a queue from a thread, so errors and interrupts reach
    the caller.
    """
    prompt_tokens = inputs["input_ids"].shape[1]
    stream = Pieces(language.tokenizer, on_text)
    start = perf_counter()
    with enough_memory(language.model.device, f"for a prompt of {prompt_tokens:,} tokens"):
        output = language.model.generate(
            **inputs,
            streamer=stream,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            # What a checkpoint sets for sampling would only raise a warning about greedy decoding.
            temperature=None,
            top_p=None,
            top_k=None,
        )
    new = output[0, prompt_tokens:]
    return Answer(
        text=language.tokenizer.decode(new, skip_special_tokens=True).strip(),
        prompt_tokens=prompt_tokens,
        new_tokens=len(new),
        seconds_to_first_token=stream.first - start,
        seconds=perf_counter() - start,
    )


class Pieces(TextStreamer):  # type: ignore[misc]
    """Hands text to a function and remembers when the first token came."""

    def __init__(self, tokenizer: Any, on_text: Callable[[str], None] | None) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self.on_text = on_text
        self.first = 0.0

    def put(self, value: Tensor) -> None:
        """Take tokens from `generate`: first the prompt, then every token."""
        if not self.next_tokens_are_prompt and not self.first:
            self.first = perf_counter()
        super().put(value)

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:  # noqa: ARG002
        """Take a text from the base class once it can no longer change."""
        if text and self.on_text is not None:
            self.on_text(text)
