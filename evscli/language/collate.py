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
        self, processor: Any, *, model: Any = None, real_times: bool = False, force: bool = False
    ) -> None:
        """Take the arguments of `prefill`; `model` is looked at here, once, and not kept.

        Raises UsageError where `model` is not a loaded model.
        """
        check_model(model)
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
        batch = PromptBatch.of(
            pair_up([*records], [*messages]), self._processor, real_times=self._real_times
        )
        identity = self._identity or identity_beside(self._processor)
        check_weights(batch.videos[0].info.model, identity, force=self._force)
        return batch.inputs(add_generation_prompt=False)
