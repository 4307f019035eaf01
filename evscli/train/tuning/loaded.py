"""The checkpoint that a run begins with: what it is, and the conversations that it takes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from evscli.encoders.checkpoint import family_of_checkpoint, weight_files
from evscli.encoders.digest import json_digest
from evscli.encoders.files import ModelFiles
from evscli.language import ConversationCollator
from evscli.language.generate import LanguageModel
from evscli.language.prompt import PromptBuilder
from evscli.language.query import load_tokenizer
from evscli.models.spec import load_name
from evscli.provenance import file_digest
from evscli.records import PrunedVideo
from evscli.train.tuning.conversations import Messages
from evscli.train.tuning.result import BESIDE


def checkpoint_digest(files: ModelFiles) -> str:
    """Return the digest of a checkpoint's files: all weights, configuration and tokenizer.

    Each is read once, several at a time. Raises ModelError where there are no weights.
    """
    beside = [path for name in ("config.json", *BESIDE) if (path := files.get(name)) is not None]
    paths = [*beside, *weight_files(files)]
    with ThreadPoolExecutor() as pool:
        return json_digest([[path.name for path in paths], *pool.map(file_digest, paths)])


def collator_of(loaded: LanguageModel) -> ConversationCollator:
    """Return the collator of a model's conversations, joined where its attention takes that."""
    kind = loaded.model.config.get_text_config()._attn_implementation
    return ConversationCollator(loaded.tokenizer, model=loaded.model, joined=kind == "sdpa")


def text_check(files: ModelFiles) -> Callable[[Messages], None]:
    """Return the check of a conversation about one video by a checkpoint's tokenizer and template.

    It raises UsageError for what the checkpoint cannot read as it is written, in about a
    millisecond. Raises ModelError where there is no tokenizer, UsageError without chat template.
    """
    form = load_name(family_of_checkpoint(files).prompt)
    return partial(PromptBuilder.of(load_tokenizer(files), form).check, videos=1)


def prepare(model: Any, *, recompute: bool) -> None:
    """Let the layers of a model be computed again in the backward pass, where that is asked for."""
    newer = getattr(model, "activation_checkpointing_enable", None)
    if recompute and newer is not None:
        newer(activation_checkpointing_kwargs={"use_reentrant": False})
    elif recompute:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})


def positions_of(model: Any) -> int | None:
    """Return the number of positions that a model is made for, None where it names none."""
    found = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return None if found is None else int(found)


def too_long(
    collate: ConversationCollator, record: PrunedVideo, messages: Messages, context: int | None
) -> list[str]:
    """Return the reason to leave a conversation out of a context of some tokens, or nothing."""
    if context is None or (length := collate.length(record, messages)) <= context:
        return []
    return [f"{record.id}: {length:,} tokens are more than the context of {context:,}"]
