"""The language-model side: from stored shards to a prefilled prompt and an answer."""

from evscli.language.prefill import prefill

__all__ = ["prefill"]
