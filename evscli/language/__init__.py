"""The language-model side: from stored shards to a prompt, an answer or a batch to train on."""

from evscli.language.collate import ConversationCollator
from evscli.language.prefill import prefill

__all__ = ["ConversationCollator", "prefill"]
