"""A family as the suite tests it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForImageTextToText, GenerationConfig, PretrainedConfig
from transformers.video_utils import VideoMetadata

from evscli.mini.form import mini_tokenizer
from evscli.records import PrunedVideo

MESSAGES = [
    {
        "role": "user",
        "content": [{"type": "video"}, {"type": "text", "text": "what happens first?"}],
    }
]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A family: how a tiny checkpoint is made, and what the whole model gets of a video."""

    model_type: str
    config: Callable[[Any], PretrainedConfig]
    """The tokenizer to the configuration of a tiny model."""
    processor: Mapping[str, Any]
    """The values of `video_preprocessor_config.json`."""
    own_inputs: Callable[[Any, Any, PrunedVideo, Tensor, Any], dict[str, Any]]
    """What the family's own processor makes of (model, tokenizer, record, frames [F, 3, H, W] of
    the record's source, messages): the inputs of the model's own forward."""
    positions: Callable[[Any, Mapping[str, Any]], Tensor]
    """The position ids of (model, own inputs), [3, 1, S] or [1, S]."""
    counted: bool = False
    """Whether positions of a pruned video are counted over what was kept."""
    pad: str
    """The token that stands for a visual token."""
    added: bool = False
    """Whether visual tokens are added to the embedding of that token, not put in its place."""
    tokens: Sequence[str] = ()
    """Special tokens that the tokenizer of mini lacks."""
    end: str | None = None
    """The token that ends a turn, where it is another than that of mini."""
    template: Callable[[str], str] = str
    """The chat template of mini to that of the family."""
    placed: bool = True
    """Whether the language model reads position ids."""
    refused: Sequence[tuple[tuple[str, ...], object, str]] = ()
    """Wrong values of `config.json`: where, which, and a part of the message."""
    own_frames: Callable[[Any, VideoMetadata], Any] = lambda own, about: own.sample_frames(about)
    """The frames that the family's own processor takes of a video."""
    own_size: Callable[[Any, int, int, int], tuple[int, int]]
    """The (height, width) that it gives (frames, height, width)."""
    older: Callable[[str], str] | None = None
    """The name of a vision weight in older checkpoints, where it was another."""

    def tokenizer(self) -> Any:
        """The tokenizer of mini, with the special tokens and the template of the family."""
        tokenizer = mini_tokenizer()
        if self.tokens:
            tokenizer.add_special_tokens({"additional_special_tokens": [*self.tokens]})
        if self.end is not None:
            tokenizer.eos_token = self.end
        tokenizer.chat_template = self.template(tokenizer.chat_template)
        return tokenizer

    def write(self, folder: Path) -> Path:
        """Write a random checkpoint in float32."""
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer = self.tokenizer()
        tokenizer.save_pretrained(folder)
        torch.manual_seed(0)
        model = AutoModelForImageTextToText.from_config(self.config(tokenizer), dtype=torch.float32)
        for weight in model.parameters():
            if not weight.any():  # else nothing would show where it goes
                torch.nn.init.normal_(weight, std=0.2)
        model.generation_config = GenerationConfig(
            eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
        )
        model.save_pretrained(folder)
        (folder / "video_preprocessor_config.json").write_text(json.dumps(self.processor))
        return folder
