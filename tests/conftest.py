from __future__ import annotations

import os
from pathlib import Path
from typing import Any

# Before torch is imported: the models are tiny, and a second thread only waits for the first.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch
from transformers import AutoModelForImageTextToText, PreTrainedModel

from evscli.bundled import MINI_FOLDER
from evscli.corpus.decoding import children
from evscli.learn.mini import mini_tokenizer
from tests.checkpoints import FAMILIES, make_model
from tests.videos import write_video

# There is one fork server for a process: that of `tests.evs` and that of `evs` itself are the same.
children.IMPORTED_ONCE = ["tests.preload"]


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-second clip; read it, do not change it."""
    return write_video(tmp_path_factory.mktemp("clip") / "clip.mp4")


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """The one of `mini`."""
    return mini_tokenizer()


@pytest.fixture(scope="session")
def models() -> dict[str, PreTrainedModel]:
    """A tiny random model of every family, and the bundled one in float32."""
    mini = AutoModelForImageTextToText.from_pretrained(MINI_FOLDER, dtype=torch.float32)
    return {**{family: make_model(family) for family in FAMILIES}, "mini": mini.eval()}
