"""A question as rows of the language model's own input embeddings, without loading the model.

Of the checkpoint only the tokenizer and the rows of the question's words are read. Knows no video
and no method.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoTokenizer

from evscli.encoders.checkpoint import family_of_checkpoint
from evscli.encoders.files import INDEX, SINGLE, ModelFiles, find_model, opened_weights, weight_map
from evscli.errors import ModelError, UsageError
from evscli.language.words import check_texts
from evscli.records import VideoInput
from evscli.texts import first_line

BLOCK = 4096
"""Rows of a table read at once."""
TOKENIZERS = ("tokenizer.json", "vocab.json", "tokenizer.model")
"""Files, one of which every tokenizer has."""


class QueryEmbedder:
    """Turns texts into rows of one checkpoint's input embeddings."""

    def __init__(self, model: str | ModelFiles) -> None:
        """Find the tokenizer and the table of `model`: a folder, a hub id, or `mini`.

        Raises ModelError without one of them. Only the table's file is fetched of a hub checkpoint.
        """
        self.files = find_model(model)
        self.tokenizer = load_tokenizer(self.files)
        self.path, self.name = find_table(self.files)

    @cached_property
    def digest(self) -> str:
        """sha256 of the tokenizer and of the whole table, which is read once for it."""
        digest = hashlib.sha256()
        for name in TOKENIZERS:
            if (path := self.files.get(name)) is not None:
                digest.update(path.read_bytes())
        for rows in table_blocks(self.path, self.name, model=self.files.name):
            digest.update(rows.contiguous().view(torch.uint8).numpy().data)
        return digest.hexdigest()

    @lru_cache(maxsize=1024)  # noqa: B019 - one embedder lives as long as its run
    def __call__(self, text: str) -> Tensor:
        """Return [Q, D] in float32, one row for each token of `text`.

        Raises UsageError for an empty text and for one that the tokenizer would not read as it was
        typed.
        """
        check_texts(self.tokenizer, [text])
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        if not ids:
            raise UsageError("the query is empty: give a text such as 'a red car'")
        return read_rows(self.path, self.name, ids, model=self.files.name)


def check_queries(embedder: QueryEmbedder, videos: Sequence[VideoInput]) -> None:
    """Raise UsageError, before any work, for a video without a query or with one that fails."""
    for video in videos:
        if video.query is None:
            raise UsageError(
                f"{video.name} has no query: fill the column query of its list, or give one for "
                "all such videos with --query TEXT"
            )
    for text in dict.fromkeys(video.query for video in videos):
        assert text is not None
        embedder(text)


def load_tokenizer(files: ModelFiles) -> Any:
    """Return the checkpoint's tokenizer. Raises ModelError where it has none."""
    if not any(files.get(name) for name in TOKENIZERS):  # transformers would make an empty one
        raise ModelError(
            f"{files.name} has no tokenizer ({' or '.join(TOKENIZERS)}); prompts need it, so get "
            "the checkpoint again"
        )
    try:
        return AutoTokenizer.from_pretrained(**files.pretrained, trust_remote_code=False)
    except Exception as error:  # a tokenizer can be broken in as many ways as it has parts
        raise ModelError(
            f"{files.name}: its tokenizer cannot be loaded ({first_line(error)}); prompts need "
            "it, so get the checkpoint again"
        ) from error


def find_table(files: ModelFiles) -> tuple[Path, str]:
    """Return the file that holds the input embeddings, and their name in it. Raises ModelError."""
    index = files.get(INDEX)
    if index is not None:
        keys = weight_map(index, model=files.name)
    else:
        single = files.get(SINGLE)
        keys = {} if single is None else dict.fromkeys(_keys(single, files.name), SINGLE)
    names = family_of_checkpoint(files).input_embeddings
    for name in names:
        if name in keys and (path := files.get(keys[name])) is not None:
            return path, name
    raise ModelError(
        f"{files.name} has no input embeddings ({' or '.join(names)}); a query needs a checkpoint "
        "with its language model"
    )


def read_rows(path: Path, name: str, ids: list[int], *, model: str) -> Tensor:
    """Return rows `ids` of a stored table, [Q, D] in float32; the rest of the file is not read."""
    with opened_weights(path, model=model) as file:
        table = file.get_slice(name)
        return torch.cat([table[row : row + 1] for row in ids]).float()


def table_blocks(path: Path, name: str, *, model: str) -> Iterator[Tensor]:
    """Yield a stored table as it is, some rows at a time."""
    with opened_weights(path, model=model) as file:
        table = file.get_slice(name)
        for start in range(0, table.get_shape()[0], BLOCK):
            yield table[start : start + BLOCK]


def _keys(path: Path, model: str) -> list[str]:
    with opened_weights(path, model=model) as file:
        return list(file.keys())
