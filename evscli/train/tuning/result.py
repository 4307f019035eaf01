"""The checkpoint folder that uptraining leaves: an ordinary one, its vision tower as it was."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from evscli.encoders.files import ModelFiles
from evscli.store.durable import new_folder

BESIDE = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "chat_template.jinja",
    "chat_template.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "processor_config.json",
    "generation_config.json",
)
"""The files beside weights and configuration that a checkpoint may have."""


def write_checkpoint(model: Any, files: ModelFiles, folder: Path) -> None:
    """Write a trained model as a checkpoint in `folder`, which appears whole or not at all.

    Adapters are merged into the weights, and these are rounded to the dtype of the checkpoint that
    the run began with, whose other files come along. Raises OSError where the disk is full.
    """
    merged = model.merge_and_unload() if hasattr(model, "merge_and_unload") else model
    with new_folder(folder) as begun:
        merged.to(stored_dtype(files)).save_pretrained(begun)
        for name in BESIDE:
            if (path := files.get(name)) is not None:
                shutil.copyfile(path, begun / name)


def stored_dtype(files: ModelFiles) -> torch.dtype:
    """Return the dtype that a checkpoint's configuration names, float32 where it names none."""
    path = files.get("config.json")
    config = json.loads(path.read_text()) if path is not None else {}
    name = config.get("dtype") or config.get("torch_dtype") or "float32"
    dtype: torch.dtype = getattr(torch, str(name).removeprefix("torch."))
    return dtype
