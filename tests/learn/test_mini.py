from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoTokenizer

from evscli.bundled import MINI_FOLDER, mini_notice
from evscli.learn.mini import build_mini


def test_the_committed_weights_are_what_the_script_makes(tmp_path: Path) -> None:
    build_mini(tmp_path)
    for path in tmp_path.iterdir():
        assert content(path) == content(MINI_FOLDER / path.name), path.name


def content(path: Path) -> Any:
    """A file's bytes, or its JSON without the release of transformers that wrote it."""
    if path.suffix != ".json":
        return path.read_bytes()
    values = json.loads(path.read_text())
    values.pop("transformers_version", None)
    return values


def test_mini_loads_as_an_ordinary_checkpoint_and_is_small() -> None:
    model, report = AutoModelForImageTextToText.from_pretrained(
        MINI_FOLDER, output_loading_info=True
    )
    assert not any(report.values()), report
    assert model.dtype == torch.bfloat16
    assert sum(p.numel() for p in model.parameters()) < 3_000_000
    assert sum(path.stat().st_size for path in MINI_FOLDER.iterdir()) < 8 << 20


def test_the_notice_says_that_mini_is_not_trained() -> None:
    assert "demonstration" in mini_notice()
    assert "not trained" in mini_notice()


@pytest.fixture(scope="module")
def tokenizer():  # type: ignore[no-untyped-def]
    return AutoTokenizer.from_pretrained(MINI_FOLDER)


def test_timestamps_and_placeholders_are_whole_tokens(tokenizer) -> None:  # type: ignore[no-untyped-def]
    text = "<0.3 seconds><|vision_start|><|video_pad|><|vision_end|>Which ball moves?"
    assert tokenizer(text).tokens() == [
        *("<", "0", ".", "3", "seconds", ">"),
        *("<|vision_start|>", "<|video_pad|>", "<|vision_end|>"),
        *("which", "ball", "moves", "?"),
    ]


def test_an_unknown_word_is_visible(tokenizer) -> None:  # type: ignore[no-untyped-def]
    assert tokenizer("a zeppelin").tokens() == ["a", "<unk>"]


def test_an_answer_reads_like_text(tokenizer) -> None:  # type: ignore[no-untyped-def]
    ids = tokenizer("The red ball moves left, twice.").input_ids
    assert tokenizer.decode(ids) == "the red ball moves left, twice."
