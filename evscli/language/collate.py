"""ConversationCollator: conversations about stored videos become batches to train on.

It goes to the processes of a DataLoader and keeps no model. Knows no stores and no training loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evscli.errors import UsageError
from evscli.language.identity import check_weights, identity_beside, identity_of
from evscli.language.pairing import Videos, is_list, pair_up
from evscli.language.prefill import ModelInputs, PromptBatch, check_model
from evscli.language.turns import Messages


class ConversationCollator:
    """The `collate_fn` of a DataLoader, or `data_collator` of a Trainer, for training.

    It takes pairs `(record, messages)` or `(records, messages)` and gives what `prefill` gives for
    them without generation prompt, in main memory.
    """

    def __init__(
        self,
        processor: Any,
        *,
        model: Any = None,
        real_times: bool = False,
        force: bool = False,
        joined: bool = False,
    ) -> None:
        """Take the arguments of `prefill`; `model` is looked at here, once, and not kept.

        With `joined`, conversations that follow each other about the very same records are one row
        of the batch, which holds their videos once: loss and gradient stay the same, at a fraction
        of the cost. The model then needs attention of `sdpa`, which takes a mask of any shape.

        Raises UsageError where `model` is not a loaded model, or has other attention.
        """
        check_model(model)
        if joined and model is not None:
            check_attention(model)
        self._joined = joined
        self._processor = processor
        self._identity = None if model is None else identity_of(model)
        self._real_times = real_times
        self._force = force

    def __call__(self, examples: Sequence[tuple[Videos, Messages]]) -> ModelInputs:
        """Return one batch: the inputs of a model, with labels. Raises as `prefill` does."""
        for example in examples:
            if not isinstance(example, tuple) or len(example) != 2 or not is_list(example[1]):
                raise UsageError(
                    "an example must be a tuple of a record, or list of records, and its list of "
                    f"chat messages, not {type(example).__name__}: let the dataset give that"
                )
        records, messages = zip(*examples, strict=True)
        batch = self._batch([*records], [*messages])
        identity = self._identity or identity_beside(self._processor)
        check_weights(batch.videos[0].info.model, identity, force=self._force)
        return batch.joined_inputs() if self._joined else batch.inputs(add_generation_prompt=False)

    def length(self, record: Videos, messages: Messages) -> int:
        """Return the number of tokens of a conversation. Raises UsageError as `prefill` does."""
        (row,) = self._batch([record], [messages]).rows(add_generation_prompt=False)
        return len(row.ids)

    def _batch(self, records: Sequence[Videos], messages: Sequence[Messages]) -> PromptBatch:
        return PromptBatch.of(
            pair_up(records, messages), self._processor, real_times=self._real_times
        )


def check_attention(model: Any) -> None:
    """Raise UsageError for a model whose attention does not take a bool mask of any shape."""
    kind = model.config.get_text_config()._attn_implementation
    if kind != "sdpa":
        raise UsageError(
            f"conversations cannot be joined for a model with {kind} attention: load it with "
            "attn_implementation='sdpa', or leave joined off"
        )
