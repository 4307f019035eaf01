"""A family costs its folder and one line; a package adds one by an entry point."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch
from transformers import CONFIG_MAPPING, AutoTokenizer
from transformers.models.qwen3_vl import Qwen3VLConfig

import evscli
from evscli import added, models, prefill, prune_video
from evscli.encoders import list_families
from evscli.errors import ModelError
from evscli.models import registry
from tests.checkpoints import make_checkpoint
from tests.videos import write_video

FOLDER = """
from dataclasses import replace
from evscli.models.qwen3_vl import DENSE

FAMILIES = (replace(DENSE, model_type="new_vl", summary="A new family"),)
"""
"""What a new family's folder must hold at least: here with the parts of another."""


class NewConfig(Qwen3VLConfig):  # type: ignore[misc]
    """Stands for the new family's configuration in transformers."""

    model_type = "new_vl"


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    """Forget what was looked up, before and after."""
    lookups = (registry.built_in, registry._load)
    for lookup in lookups:
        lookup.cache_clear()
    yield
    for lookup in lookups:
        lookup.cache_clear()


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint whose type only the new family knows."""
    monkeypatch.setitem(CONFIG_MAPPING._extra_content, "new_vl", NewConfig)
    folder = make_checkpoint(tmp_path / "new", "qwen3_vl")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "new_vl"}))
    return folder


def pruned_and_placed(model: Path, tmp_path: Path) -> dict[str, torch.Tensor]:
    """Prune a video with a checkpoint and prefill a question about it."""
    video = write_video(tmp_path / "clip.mp4", frames=8)
    record = prune_video(video, model=str(model), method="vcast", budget=0.5, device="cpu")
    tokenizer = AutoTokenizer.from_pretrained(model)
    inputs = prefill(record, tokenizer, "which way does the red ball move?", force=True)
    return {
        **{name: inputs[name] for name in ("input_ids", "position_ids")},
        "tokens": inputs["mm_encoder_outputs"]["video"]["pooler_output"][0],
    }


def test_a_family_is_its_folder_and_one_line(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models/new_vl").mkdir(parents=True)
    (tmp_path / "models/new_vl/__init__.py").write_text(FOLDER)
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path / "models")])
    monkeypatch.setattr(registry, "FOLDERS", (*registry.FOLDERS, "new_vl"))

    placed = pruned_and_placed(checkpoint, tmp_path)

    assert list_families()["new_vl"] == "A new family"
    expected = pruned_and_placed(make_checkpoint(tmp_path / "known", "qwen3_vl"), tmp_path)
    assert all(torch.equal(placed[name], value) for name, value in expected.items())


def test_a_package_adds_a_family(
    tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "new_family.py").write_text(FOLDER + "NEW, = FAMILIES\n")
    monkeypatch.syspath_prepend(tmp_path)
    add(monkeypatch, "new_vl", "new_family:NEW")

    assert list_families()["new_vl"] == "A new family"
    assert len(pruned_and_placed(checkpoint, tmp_path)["tokens"])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no_such_module:NEW", "cannot be loaded .ModuleNotFoundError: "),
        ("json:dumps", "is a function, not a FamilySpec"),
        (
            "evscli.models.qwen3_vl:DENSE",
            "has the name 'qwen3_vl', but its entry point has 'new_vl'",
        ),
    ],
)
def test_a_broken_family_is_listed_and_refused_with_the_reason(
    value: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch, "new_vl", value)

    assert re.search(f"^broken: {value} {reason}", list_families()["new_vl"])
    with pytest.raises(ModelError, match=f"{reason}.* repair or uninstall"):
        registry.family_of("new_vl", model="m")
    registry.family_of("qwen3_vl", model="m")


def add(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Pretend that an installed package has the entry point."""
    point = EntryPoint(name=name, value=value, group=registry.ADDED.group)
    monkeypatch.setattr(added, "points_of", lambda _group: {name: (point,)})


def test_nothing_outside_models_names_a_family() -> None:
    package = Path(evscli.__file__).parent
    brands = {re.match("[a-z]+", folder)[0] for folder in registry.FOLDERS}  # type: ignore[index]
    named = re.compile("|".join(brands), re.IGNORECASE)
    plugin = package / "serving" / "vllm"  # a file for a class of vLLM, and one line
    served = [plugin / "__init__.py", *(plugin / f"{folder}.py" for folder in registry.FOLDERS)]
    elsewhere = [
        path
        for path in package.rglob("*.py")
        if path.relative_to(package).parts[0] not in ("models", "mini") and path not in served
    ]
    assert [path for path in elsewhere if named.search(path.read_text())] == []
