"""Checkpoints of the form of `mini`: a real Qwen3-VL-architecture model of a few megabytes.

The folder is an ordinary Hugging Face checkpoint, so every command runs the very code that large
models use. Configuration, tokenizer and processors are those of the bundled checkpoint, whose
files lie beside this one; weights come from a seed, and then from `mini.training`.
"""

from __future__ import annotations

import json
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, GenerationConfig, Qwen3VLConfig
from transformers import PreTrainedTokenizerFast as Tokenizer

from evscli.bundled import MINI_FOLDER

MERGE = 2
"""The number of patches on a side of a cell."""
MAX_CELLS = 9 * 16
"""The most cells of a frame that the processor allows."""
MAX_FRAMES = 64
PROCESSORS = ("video_preprocessor_config.json", "preprocessor_config.json")


def mini_tokenizer() -> Tokenizer:
    """Load the tokenizer: a few hundred English words, digits and signs, one token each.

    Every piece is a whole word or a digit, so that an unknown word is visible as `<unk>`.
    """
    settings = json.loads((MINI_FOLDER / "tokenizer_config.json").read_text())
    tokenizer = Tokenizer(tokenizer_file=str(MINI_FOLDER / "tokenizer.json"), **settings)
    tokenizer.chat_template = (MINI_FOLDER / "chat_template.jinja").read_text()
    return tokenizer


def new_model(tokenizer: Tokenizer, *, seed: int) -> Any:
    """Make a model with seeded float32 weights. torch's generator continues after them."""
    torch.manual_seed(seed)
    return AutoModelForImageTextToText.from_config(mini_config(tokenizer), dtype=torch.float32)


def write_checkpoint(model: Any, tokenizer: Tokenizer, folder: Path, *, training: str) -> None:
    """Write an ordinary checkpoint with bfloat16 weights; `training` describes their origin."""
    model = deepcopy(model).to(torch.bfloat16)
    model.config.evs_training = training
    for part in (model.config.vision_config, model.config.text_config):
        part.dtype = torch.bfloat16
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)  # safetensors leaves 0600
    tokenizer.save_pretrained(folder)
    for name in PROCESSORS:
        shutil.copyfile(MINI_FOLDER / name, folder / name)


def mini_config(tokenizer: Tokenizer) -> Qwen3VLConfig:
    """Return the model configuration for the tokens of `tokenizer`."""
    config = Qwen3VLConfig.from_pretrained(MINI_FOLDER)
    del config.evs_training  # a model with this configuration has another origin
    config.text_config.vocab_size = len(tokenizer)
    return config
