from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from evscli.errors import DeviceError, ModelError, UsageError
from evscli.language.generate import LanguageModel, answer, load_language_model
from evscli.language.prefill import prefill
from tests.checkpoints import FAMILIES, make_checkpoint
from tests.language.reference import make_clip, make_record


@pytest.fixture(scope="module", params=FAMILIES)
def language(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("language") / "tiny"
    return load_language_model(str(make_checkpoint(folder, request.param)), device="cpu")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("made") / "tiny", "qwen3_vl")


@pytest.fixture
def checkpoint(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return shutil.copytree(made, tmp_path / "tiny")


def inputs_for(language: LanguageModel) -> Any:
    record = make_record(language.model, make_clip(language.model))
    return prefill(record, language.tokenizer, "what happens?")


def test_pieces_come_while_the_answer_grows_and_add_up_to_it(language: LanguageModel) -> None:
    inputs, pieces = inputs_for(language), []
    result = answer(language, inputs, max_new_tokens=6, on_text=pieces.append)
    expected = language.model.generate(**inputs, max_new_tokens=6, do_sample=False)
    new = expected[0, inputs["input_ids"].shape[1] :]
    assert result.text == language.tokenizer.decode(new, skip_special_tokens=True).strip()
    assert "".join(pieces).strip() == result.text
    assert len(pieces) > 2


def test_an_answer_counts_tokens_and_time(language: LanguageModel) -> None:
    inputs = inputs_for(language)
    result = answer(language, inputs, max_new_tokens=3)
    assert result.prompt_tokens == inputs["input_ids"].shape[1]
    assert 1 <= result.new_tokens <= 3
    assert 0 < result.seconds_to_first_token <= result.seconds


def test_settings_for_sampling_do_not_change_a_greedy_answer(language: LanguageModel) -> None:
    inputs = inputs_for(language)
    plain = answer(language, inputs, max_new_tokens=3)
    language.model.generation_config.update(do_sample=True, temperature=9.0, top_p=0.5, top_k=3)
    assert answer(language, inputs, max_new_tokens=3).text == plain.text


def test_too_little_memory_is_one_clear_error(
    language: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(language.model, "generate", fail)
    with pytest.raises(DeviceError, match=r"prompt of .* tokens"):
        answer(language, inputs_for(language), max_new_tokens=1)


def test_the_bundled_model_loads_by_its_word() -> None:
    language = load_language_model("mini", device="cpu")
    assert language.name == "mini"
    assert language.model.dtype == torch.bfloat16


def test_a_dtype_can_be_asked_for(checkpoint: Path) -> None:
    wide = load_language_model(str(checkpoint), device="cpu", dtype="bfloat16")
    assert wide.model.dtype == torch.bfloat16
    assert wide.name == "tiny"


@pytest.mark.parametrize(
    ("options", "error"),
    [({"device": "tpu"}, UsageError), ({"dtype": "int8"}, UsageError)],
)
def test_unknown_devices_and_dtypes_are_refused(
    options: dict[str, str], error: type[Exception], checkpoint: Path
) -> None:
    with pytest.raises(error, match="unknown"):
        load_language_model(str(checkpoint), **options)


def test_an_unsupported_type_is_refused_before_loading(checkpoint: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps({**config, "model_type": "llava"}))
    (checkpoint / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="'llava'"):
        load_language_model(str(checkpoint), device="cpu")


def test_a_folder_without_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json"):
        load_language_model(str(tmp_path), device="cpu")


def test_a_folder_without_weights_is_refused(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="cannot be loaded as a language model"):
        load_language_model(str(checkpoint), device="cpu")


def test_a_checkpoint_without_its_language_weights_is_refused(checkpoint: Path) -> None:
    path = checkpoint / "model.safetensors"
    weights = {name: value for name, value in load_file(path).items() if "visual" in name}
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks .* weights"):
        load_language_model(str(checkpoint), device="cpu")


def test_a_damaged_file_is_refused(checkpoint: Path) -> None:
    shutil.copyfile(checkpoint / "config.json", checkpoint / "model.safetensors")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_language_model(str(checkpoint), device="cpu")
