from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText, PreTrainedModel

from evscli.bundled import MINI_FOLDER
from evscli.learn.mini import CHAT_TEMPLATE
from evscli.learn.vocabulary import build_tokenizer
from tests.checkpoints import FAMILIES, make_model


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    tokenizer = build_tokenizer()
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


@pytest.fixture(scope="session")
def models() -> dict[str, PreTrainedModel]:
    """A tiny random model of every family, and the bundled one in float32."""
    mini = AutoModelForImageTextToText.from_pretrained(MINI_FOLDER, dtype=torch.float32)
    return {**{family: make_model(family) for family in FAMILIES}, "mini": mini.eval()}
