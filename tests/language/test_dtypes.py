"""The same vision weights pass in any dtype; others are refused in every one."""

from __future__ import annotations

import copy
import shutil
import warnings
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageTextToText, PreTrainedModel

from evscli.encoders import load_encoder
from evscli.errors import WrongModelError
from evscli.language.identity import check_weights, identity_of
from evscli.records import ModelInfo
from tests.checkpoints import make_checkpoint

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
QUICK = {("float32", "bfloat16"), ("bfloat16", "float32"), ("float32", "float16")}
PAIRS = [
    pytest.param(*pair, marks=[] if pair in QUICK else pytest.mark.slow)
    for pair in product(DTYPES, DTYPES)
]
TINY = torch.tensor([1.2345e-6, 3.3e-8])
"""Values that float16 rounds, as there are in every real vision tower."""


@pytest.fixture(scope="module", params=["qwen3_vl", pytest.param("molmo2", marks=pytest.mark.slow)])
def folders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the same checkpoint in every dtype."""
    root = tmp_path_factory.mktemp(request.param)
    make_checkpoint(root / "float32", request.param)
    model = loaded(root / "float32", torch.float32)
    with torch.no_grad():
        for weight in model.parameters():
            weight.view(-1)[:2] = TINY
    for name, dtype in DTYPES.items():
        if name != "float32":
            shutil.copytree(root / "float32", root / name)
        copy.deepcopy(model).to(dtype).save_pretrained(root / name)
    return root


@cache
def loaded(folder: Path, dtype: torch.dtype) -> PreTrainedModel:
    return AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype)


def load(folder: Path, dtype: torch.dtype) -> PreTrainedModel:
    """A model of its own, copied from one that was read from `folder` before."""
    return copy.deepcopy(loaded(folder, dtype))


def first_weight(model: PreTrainedModel) -> torch.Tensor:
    """A matrix of the vision side."""
    vision = getattr(model.model, "visual", None)
    vision = model.model.vision_tower if vision is None else vision
    return next(value for value in vision.parameters() if value.ndim > 1)


@cache
def made_by(folder: Path) -> ModelInfo:
    """What a shard says of the checkpoint in `folder`, which nobody finds again by its name."""
    return replace(load_encoder(str(folder), device="cpu").info, name="somebody/tiny")


def nameless(model: PreTrainedModel) -> PreTrainedModel:
    """The model, which does not say where it is from."""
    model.config._name_or_path = model.name_or_path = ""
    return model


@pytest.mark.parametrize(("stored", "held"), PAIRS)
def test_the_same_weights_pass_in_every_dtype(stored: str, held: str, folders: Path) -> None:
    model = load(folders / stored, DTYPES[held])
    check_weights(made_by(folders / stored), identity_of(model), force=False)


@pytest.mark.parametrize(("stored", "held"), PAIRS)
def test_other_weights_are_refused_in_every_dtype(stored: str, held: str, folders: Path) -> None:
    model = load(folders / stored, DTYPES[held])
    with torch.no_grad():
        weight = first_weight(model).view(-1)[-1:]
        weight.copy_(torch.nextafter(weight, torch.ones_like(weight)))
    with pytest.raises(WrongModelError, match="'somebody/tiny', not this model's"):
        check_weights(made_by(folders / stored), identity_of(model), force=False)


@pytest.mark.parametrize(
    ("stored", "held"), [pair for pair in PAIRS if pair.values[1] != "float16"]
)
def test_the_checkpoint_is_not_needed_unless_float16_rounded_the_weights(
    stored: str, held: str, folders: Path
) -> None:
    """Digests alone tell, also that other weights are others."""
    model = nameless(load(folders / stored, DTYPES[held]))
    check_weights(made_by(folders / stored), identity_of(model), force=False)
    other = nameless(load(folders / stored, DTYPES[held]))
    with torch.no_grad():
        first_weight(other).view(-1)[-8:].add_(1)
        if stored == "float16":  # where float16 holds every value, it may have rounded them
            first_weight(other).view(-1)[-1:] = TINY[0]
    with pytest.raises(WrongModelError):
        check_weights(made_by(folders / stored), identity_of(other), force=False)


@pytest.mark.parametrize("stored", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)])
@pytest.mark.parametrize("held", DTYPES)
def test_a_copy_in_float16_is_compared_with_the_checkpoint_where_that_is_at_hand(
    stored: str, held: str, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As tools that quantise save it: the copy's own folder does not help."""
    load(folders / stored, torch.float16).save_pretrained(tmp_path / "copy")
    model = load(tmp_path / "copy", DTYPES[held])
    info = made_by(folders / stored)
    with pytest.warns(UserWarning, match=r"not checked.*'somebody/tiny': they are rounded"):
        check_weights(info, identity_of(model), force=False)
    add_to_cache(tmp_path / "hub", "somebody/tiny", folders / stored)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_weights(info, identity_of(model), force=False)
    other = load(tmp_path / "copy", DTYPES[held])
    with torch.no_grad():
        first_weight(other).view(-1)[-1:].mul_(2)
    with pytest.raises(WrongModelError):
        check_weights(info, identity_of(other), force=False)


@pytest.mark.parametrize("held", ["bfloat16", "float16"])
def test_weights_of_which_some_stay_in_float32_pass(held: str, folders: Path) -> None:
    """As libraries that quantise, or train what is quantised, leave norms and biases."""
    info = made_by(folders / "float32")
    model = load(folders / "float32", torch.float32)
    for weight in model.parameters():
        if weight.ndim > 1:
            weight.data = weight.data.to(DTYPES[held])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_weights(info, identity_of(model), force=False)
    alone = nameless(copy.deepcopy(model))
    with pytest.warns(UserWarning, match="not checked.*they are rounded"):
        check_weights(info, identity_of(alone), force=False)
    other = copy.deepcopy(model)
    with torch.no_grad():
        first_weight(other).view(-1)[-1:].mul_(2)
    with pytest.raises(WrongModelError):
        check_weights(info, identity_of(other), force=False)


def add_to_cache(cache: Path, name: str, folder: Path) -> None:
    """Make `folder` the cached checkpoint of a hub id."""
    repository = cache / f"models--{name.replace('/', '--')}"
    (repository / "snapshots").mkdir(parents=True)
    (repository / "snapshots" / "abc").symlink_to(folder)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
