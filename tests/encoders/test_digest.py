from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from torch import Tensor

from evscli.encoders import load_encoder, vision_digests
from evscli.encoders.digest import json_digest, vision_name
from evscli.models.registry import built_in
from tests.checkpoints import FAMILIES, make_checkpoint, make_model

QWEN = built_in()["qwen3_vl"]
WEIGHTS = {"b": torch.arange(6.0).view(2, 3) / 7, "a.weight": torch.tensor([1.0, 2.5])}


def test_digest_is_of_names_shapes_dtypes_and_bytes_in_order_of_names() -> None:
    expected = hashlib.sha256(
        b'["a.weight", [2], "float32"]\n'
        + WEIGHTS["a.weight"].numpy().tobytes()
        + b'["b", [2, 3], "float32"]\n'
        + WEIGHTS["b"].numpy().tobytes()
    ).hexdigest()

    assert vision_digests(WEIGHTS).stored == expected


@pytest.mark.parametrize(
    "changed",
    [
        {**WEIGHTS, "b": WEIGHTS["b"].view(3, 2)},
        {**WEIGHTS, "b": WEIGHTS["b"] + 1e-6},
        {**WEIGHTS, "b": WEIGHTS["b"].to(torch.float16)},
        {"a.weight": WEIGHTS["a.weight"], "c": WEIGHTS["b"]},
        {"a.weight": WEIGHTS["a.weight"]},
    ],
    ids=["shape", "value", "dtype", "name", "missing"],
)
def test_any_change_changes_the_stored_digest(changed: dict[str, Tensor]) -> None:
    assert vision_digests(changed).stored != vision_digests(WEIGHTS).stored


def test_rounded_digest_recognises_weights_in_a_narrower_dtype() -> None:
    rounded = {name: value.to(torch.bfloat16) for name, value in WEIGHTS.items()}

    assert vision_digests(WEIGHTS).bf16 == vision_digests(rounded).bf16
    assert vision_digests(rounded).bf16 == vision_digests(rounded).stored


def test_rounding_is_to_nearest_and_ties_to_even() -> None:
    halfway = torch.tensor([1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20])
    nearest = torch.tensor([1.0, 1 + 2**-6, 1 + 2**-7])

    assert vision_digests({"w": halfway}).bf16 == vision_digests({"w": nearest}).bf16


def test_the_float16_digest_is_of_weights_that_float16_holds() -> None:
    narrow = {name: value.to(torch.float16) for name, value in WEIGHTS.items()}
    wide = {name: value.float() for name, value in narrow.items()}

    assert vision_digests(WEIGHTS).f16 is None
    assert vision_digests(narrow).f16 == vision_digests(narrow).stored
    assert vision_digests(wide).f16 == vision_digests(narrow).stored


def test_memory_layout_does_not_matter() -> None:
    turned = {**WEIGHTS, "b": WEIGHTS["b"].T.contiguous().T}

    assert vision_digests(turned) == vision_digests(WEIGHTS)


@pytest.mark.parametrize("family", FAMILIES)
def test_model_in_memory_has_the_digests_of_its_checkpoint(
    family: str, checkpoints: dict[str, Path]
) -> None:
    info = load_encoder(str(checkpoints[family]), device="cpu").info
    model = make_model(family)

    for source in (model.model.visual, model.state_dict(), model.model.state_dict()):
        digests = vision_digests(source)
        assert (digests.stored, digests.bf16) == (info.vision_sha256, info.vision_bf16_sha256)
    other = vision_digests(make_model(family, seed=1).model.visual)
    assert other.stored != info.vision_sha256


def test_narrowed_checkpoint_and_model_are_recognised_by_the_rounded_digest(tmp_path: Path) -> None:
    narrow = make_checkpoint(tmp_path / "narrow", "qwen3_vl", dtype=torch.bfloat16)

    info = load_encoder(str(narrow), device="cpu").info

    wide = vision_digests(make_model("qwen3_vl").model.visual)
    assert info.vision_bf16_sha256 == wide.bf16
    assert info.vision_sha256 != wide.stored


def test_only_vision_keys_have_a_vision_name() -> None:
    assert vision_name("visual.merger.ln_q.weight", QWEN) == "merger.ln_q.weight"
    assert vision_name("model.visual.pos_embed.weight", QWEN) == "pos_embed.weight"
    assert vision_name("model.language_model.visual.weight", QWEN) is None


def test_json_digest_ignores_the_order_of_keys() -> None:
    assert json_digest({"a": 1, "b": [1, 2]}) == json_digest({"b": [1, 2], "a": 1})
    assert json_digest({"a": 1}) != json_digest({"a": 1.5})
