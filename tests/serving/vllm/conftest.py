"""Stores and an engine, made once for all tests of the plugin. Without vLLM they are skipped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed: .ci/vllm runs these tests")

os.environ |= {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "HF_HUB_OFFLINE": "1",
}

from evscli.bundled import MINI_FOLDER
from evscli.language.generate import LanguageModel, load_language_model
from tests.serving.vllm.engine import Engine
from tests.serving.vllm.made import prune


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stores of the five sample videos in float32: vcast-0.3, surprise-0.05, none, int8 ..."""
    folder = tmp_path_factory.mktemp("stores")
    prune(folder, "vcast", "surprise", "uniform-frames", budgets=(0.3, 0.05))
    prune(folder / "none", "none")
    for dtype in ("float8", "int8"):
        prune(folder / dtype, "surprise", budgets=(0.3,), store_dtype=dtype)
    prune(folder / "segments", "vcast", budgets=(0.3,), segment=4.0)
    return folder


@pytest.fixture(scope="session")
def language() -> LanguageModel:
    """The language model of `mini` in transformers."""
    return load_language_model("mini", device="cpu", dtype="float32")


@pytest.fixture(scope="session")
def engine(language: LanguageModel) -> Iterator[Engine]:
    """An engine with `mini` and without its vision tower, which prefills 256 tokens at a time."""
    with Engine.start(MINI_FOLDER, language, max_num_batched_tokens=256) as engine:
        yield engine
