"""The language-model side: from stored shards to a prompt, an answer or a batch to train on.

`ConversationCollator` is imported when it is asked for: modules that need no transformers, such as
the check of weights, are for serving engines too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evscli.language.collate import ConversationCollator

__all__ = ["ConversationCollator"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'evscli.language' has no attribute {name!r}")
    from evscli.language.collate import ConversationCollator

    return ConversationCollator
