"""Tokens go to the model whose vision weights made them, and to no other."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from evscli.bundled import MINI_FOLDER
from evscli.errors import ModelError, WrongModelError
from evscli.serving.weights import check_served, served_identity
from evscli.store import open_store
from tests.checkpoints import build_mini, copy_mini
from tests.serving.vllm.made import make_served


def test_the_model_that_made_the_tokens_is_served(kept: dict[str, Path], tmp_path: Path) -> None:
    made_by = open_store(kept["wide"]).info("a").model
    for model in ("mini", str(MINI_FOLDER), str(copy_mini(tmp_path / "copy"))):
        check_served(made_by, model)


def test_another_model_is_refused_with_one_line(kept: dict[str, Path], tmp_path: Path) -> None:
    made_by = open_store(kept["wide"]).info("a").model
    build_mini(tmp_path / "other", seed=5)
    with pytest.raises(WrongModelError, match="made by the vision weights of 'mini', not those of"):
        check_served(made_by, str(tmp_path / "other"))
    other = replace(made_by, model_type="qwen2_5_vl")
    with pytest.raises(WrongModelError, match="cannot go into a qwen3_vl model"):
        check_served(other, "mini")
    with pytest.raises(WrongModelError, match="tokens 64 wide cannot go into a model 128 wide"):
        check_served(replace(made_by, embed_dim=64), "mini")


def test_weights_that_are_not_here_are_not_checked_and_that_is_logged(
    kept: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    made_by = open_store(kept["wide"]).info("a").model
    check_served(made_by, "nobody/nothing")
    assert "are not here or are rounded" in caplog.text


def test_a_folder_without_weights_is_no_model(kept: dict[str, Path], tmp_path: Path) -> None:
    made_by = open_store(kept["wide"]).info("a").model
    with pytest.raises(ModelError, match=r"no config\.json"):
        check_served(made_by, str(tmp_path))


def test_a_part_of_a_whole_model_is_what_is_served(kept: dict[str, Path], tmp_path: Path) -> None:
    whole = str(make_served(tmp_path, "qwen2_5_omni"))
    found = served_identity(whole)
    assert (found.model_type, found.width) == ("qwen2_5_omni", 128)
    assert found.weights is not None
    made_by = replace(
        open_store(kept["wide"]).info("a").model,
        model_type="qwen2_5_omni_thinker",
        vision_sha256=found.weights.digests.stored,
    )
    check_served(made_by, whole)
    with pytest.raises(WrongModelError, match="made by the vision weights of"):
        check_served(replace(made_by, vision_sha256="0" * 64), whole)


WITHOUT = """
import sys, json
from evscli.serving import access, address, positions, served, stores, weights
from evscli.serving.vllm import sealed
store = stores.OpenStores().store(__import__("pathlib").Path(sys.argv[1]))
weights.check_served(store.info("a").model, "mini")
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
print(served.ServedVideo.read(store, "a").rows().shape[1])
"""


def test_an_engine_brings_its_own_transformers(kept: dict[str, Path]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, kept["wide"]], capture_output=True, text=True, check=True
    )
    loaded, width = done.stdout.splitlines()
    assert not {"transformers", "av", "torchvision"} & {*json.loads(loaded)}
    assert width == "384"
