from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoTokenizer

from evscli.bundled import MINI, MINI_FOLDER
from evscli.errors import ModelError, UsageError
from evscli.language.query import QueryEmbedder
from tests.checkpoints import copy_mini

TEXT = "what color is the ball?"


def test_rows_are_those_of_the_model() -> None:
    model = AutoModelForImageTextToText.from_pretrained(MINI_FOLDER, dtype=torch.float32)
    ids = AutoTokenizer.from_pretrained(MINI_FOLDER)(TEXT, return_tensors="pt").input_ids[0]
    rows = QueryEmbedder(MINI)(TEXT)
    assert rows.shape == (len(ids), model.config.text_config.hidden_size)
    assert torch.equal(rows, model.get_input_embeddings()(ids))


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_query_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="query is empty"):
        QueryEmbedder(MINI)(text)


def test_words_that_the_model_does_not_know_are_refused() -> None:
    with pytest.raises(UsageError, match="zeppelin"):
        QueryEmbedder(MINI)("which zeppelin?")


def test_a_checkpoint_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        shutil.copy(MINI_FOLDER / name, tmp_path / name)
    with pytest.raises(ModelError, match="has no tokenizer"):
        QueryEmbedder(str(tmp_path))


def test_a_checkpoint_without_a_language_model_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    copy_mini(tmp_path / "vision")
    path = tmp_path / "vision" / "model.safetensors"
    weights = load_file(path)
    save_file({name: value for name, value in weights.items() if "visual" in name}, path)
    with pytest.raises(ModelError, match="has no input embeddings"):
        QueryEmbedder(str(tmp_path / "vision"))
