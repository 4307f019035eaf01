"""The loss of answers: the cross entropy of what the assistant says, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from evscli.language.prefill import ModelInputs
from evscli.language.prompt import IGNORED

ANSWER = "answer"
"""The name of the loss."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AnswerInputs:
    """Conversations as a model takes them, and the tokens to be predicted of them."""

    inputs: ModelInputs
    places: Tensor
    """[n] int64: the places whose next token is to be learned in some row."""
    targets: Tensor
    """[B, n] int64: these tokens, or -100 where a row has another there."""

    @classmethod
    def of(cls, inputs: ModelInputs) -> AnswerInputs:
        """Take the labels out of inputs, so that a model computes the logits that are needed."""
        following = inputs["labels"][:, 1:]
        places = (following != IGNORED).any(dim=0).nonzero()[:, 0]
        rest = ModelInputs({name: value for name, value in inputs.items() if name != "labels"})
        return cls(inputs=rest, places=places, targets=following[:, places])

    @property
    def count(self) -> int:
        """The number of tokens that the loss is computed of."""
        return int((self.targets != IGNORED).sum())


def answer_loss(model: Any, answers: AnswerInputs, device: torch.device) -> Tensor:
    """Return the summed cross entropy of all answer tokens, in nats.

    Logits are computed where one is needed: over a long video they would outgrow everything else.
    """
    places, targets = answers.places.to(device), answers.targets.to(device)
    output = model(**answers.inputs.to(device), use_cache=False, logits_to_keep=places)
    logits = output.logits
    if logits.shape[1] != len(places):  # some models compute all of them, whatever they are asked
        logits = logits[:, places]
    logits = logits.float().flatten(0, 1)
    return cross_entropy(logits, targets.flatten(), ignore_index=IGNORED, reduction="sum")
