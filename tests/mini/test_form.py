from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForImageTextToText, AutoTokenizer

from evscli.bundled import MINI_FOLDER, MINI_NOTICE
from evscli.encoders.scorer import OWN_FILE
from evscli.mini.form import mini_config, mini_tokenizer
from tests.checkpoints import build_mini


@pytest.mark.slow
def test_a_seed_always_gives_the_same_checkpoint(tmp_path: Path) -> None:
    for name in ("one", "two"):
        build_mini(tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_the_bundled_files_are_those_that_the_script_writes(tmp_path: Path) -> None:
    build_mini(tmp_path)
    made = {path.name for path in tmp_path.iterdir()}
    bundled = {path.name for path in MINI_FOLDER.iterdir() if path.is_file()}
    assert {name for name in bundled - made if not name.endswith(".py")} == {
        "README.md",
    }
    assert (MINI_FOLDER / OWN_FILE).is_file()
    for name in ("video_preprocessor_config.json", "preprocessor_config.json"):
        assert (tmp_path / name).read_bytes() == (MINI_FOLDER / name).read_bytes()


def test_the_configuration_names_the_tokens_of_the_vocabulary() -> None:
    tokenizer, config = mini_tokenizer(), AutoConfig.from_pretrained(MINI_FOLDER)
    assert config.text_config.vocab_size == len(tokenizer)
    for name, token in {
        "image_token_id": "<|image_pad|>",
        "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
    }.items():
        assert getattr(config, name) == tokenizer.convert_tokens_to_ids(token)


def test_an_untrained_checkpoint_does_not_say_what_trained_the_bundled_one(tmp_path: Path) -> None:
    assert not hasattr(mini_config(mini_tokenizer()), "evs_training")
    build_mini(tmp_path)
    assert AutoConfig.from_pretrained(tmp_path).evs_training.endswith("not trained")


def test_mini_loads_as_an_ordinary_checkpoint_and_is_small() -> None:
    model, report = AutoModelForImageTextToText.from_pretrained(
        MINI_FOLDER, output_loading_info=True
    )
    assert not any(report.values()), report
    assert model.dtype == torch.bfloat16
    assert sum(p.numel() for p in model.parameters()) < 3_500_000
    assert sum(path.stat().st_size for path in MINI_FOLDER.iterdir()) < 8 << 20


def test_the_notice_says_what_mini_is_not_for() -> None:
    assert "demonstration" in MINI_NOTICE
    assert MINI_NOTICE.endswith("use --model for real work")


def test_the_checkpoint_names_the_command_that_trained_it() -> None:
    made_by = AutoConfig.from_pretrained(MINI_FOLDER).evs_training
    assert made_by.startswith("trained by `evs train mini --seed ")
    assert made_by.removeprefix("trained by ").strip("`") in (MINI_FOLDER / "README.md").read_text()


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
