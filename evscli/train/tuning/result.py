"""The checkpoint folder that training leaves: an ordinary one, its vision tower as it was."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from evscli.encoders.files import ModelFiles
from evscli.encoders.scorer import OWN_FILE
from evscli.language.generate import load_language_model
from evscli.store.durable import new_folder

TUNING = "evs_tuning"
"""The key of a configuration whose value is the command that made the checkpoint."""

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
    OWN_FILE,
)
"""The files beside weights and configuration that a checkpoint may have."""


def write_checkpoint(
    model: Any, files: ModelFiles, folder: Path, *, command: str, before: float = 0.0
) -> None:
    """Write a trained model as a checkpoint in `folder`, which appears whole or not at all.

    Adapters are merged into the weights, these get a share `before` of those of the checkpoint
    that the run began with, and are rounded to its dtype. Its other files come along, and a scorer,
    which fits as long as the part that sees has not learned. Raises OSError where the disk is full.
    """
    merged = model.merge_and_unload() if hasattr(model, "merge_and_unload") else model
    if before:
        blend(merged, files, before)
    setattr(merged.config, TUNING, command)
    with new_folder(folder) as begun:
        merged.to(stored_dtype(files)).save_pretrained(begun)
        for name in BESIDE:
            if (path := files.get(name)) is not None:
                (begun / name).parent.mkdir(exist_ok=True)
                shutil.copyfile(path, begun / name)


@torch.no_grad()
def blend(model: Any, files: ModelFiles, before: float) -> None:
    """Give the weights of a model a share `before` of those of its checkpoint.

    The mean keeps more of what the checkpoint could do before (WiSE-FT, arXiv 2109.01903).
    """
    first = dict(load_language_model(files, device="cpu").model.named_parameters())
    for name, weight in model.named_parameters():
        weight.copy_(weight.float().lerp(first[name].to(weight.device, torch.float32), before))


def stored_dtype(files: ModelFiles) -> torch.dtype:
    """Return the dtype that a checkpoint's configuration names, float32 where it names none."""
    path = files.get("config.json")
    config = json.loads(path.read_text()) if path is not None else {}
    name = config.get("dtype") or config.get("torch_dtype") or "float32"
    dtype: torch.dtype = getattr(torch, str(name).removeprefix("torch."))
    return dtype
