from __future__ import annotations

from pathlib import Path

import pytest

from tests.checkpoints import FAMILIES, make_checkpoint


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One tiny float32 checkpoint of each family; tests must not change them."""
    root = tmp_path_factory.mktemp("checkpoints")
    return {family: make_checkpoint(root / family, family) for family in (*FAMILIES, "molmo2")}


@pytest.fixture
def qwen3(checkpoints: dict[str, Path]) -> Path:
    return checkpoints["qwen3_vl"]


@pytest.fixture
def qwen2_5(checkpoints: dict[str, Path]) -> Path:
    return checkpoints["qwen2_5_vl"]
