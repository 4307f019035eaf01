"""The effect of pruning on the language model's next token.

The unpruned prefill of the same prompt is the reference. No comparison here judges which is right.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import kl_div

from evscli.language.generate import LanguageModel
from evscli.language.prefill import prefill
from evscli.records import PrunedVideo


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The next token after a prompt, from the pruned prefill against the unpruned one."""

    kl: float
    """The KL divergence of the pruned distribution from the unpruned one, in nats."""
    same_token: bool
    """Whether the likeliest token is the same."""


def next_token(language: LanguageModel, record: PrunedVideo, question: str) -> Tensor:
    """Return log-probabilities [V] of the token after the prompt, float32 on the CPU."""
    return next_logits(language, record, question).log_softmax(-1)


def next_logits(language: LanguageModel, record: PrunedVideo, question: str) -> Tensor:
    """Return logits [V] of the token after the prompt, float32 on the CPU."""
    inputs = prefill(record, language.tokenizer, question, model=language.model)
    with torch.inference_mode():
        logits: Tensor = language.model(**inputs, logits_to_keep=1).logits[0, -1]
    return logits.float().cpu()


def agreement(unpruned: Tensor, pruned: Tensor) -> Agreement:
    """Compare two log-probabilities [V]."""
    divergence = kl_div(pruned, unpruned, reduction="sum", log_target=True)
    return Agreement(
        kl=max(0.0, float(divergence)),  # rounding may leave it just below 0
        same_token=bool(unpruned.argmax() == pruned.argmax()),
    )
