from __future__ import annotations

import gc
import os
import sys
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Before torch is imported: the models are tiny, and a second thread only waits for the first.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

from evscli.corpus.decoding import children

# Else every worker, fork server and fresh interpreter compiles all of evs and its tests anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

if TYPE_CHECKING:  # the process that only hands out tests imports no torch
    from transformers import PreTrainedModel

# Examples of a property, where a test does not say how many.
settings.register_profile("evs", max_examples=25)
settings.load_profile("evs")

MOST_WORKERS = 8
"""Each holds torch, and so does its fork server: 1 GB together."""

# There is one fork server for a process: that of `tests.evs` and that of `evs` itself are the same.
children.RESIZING = children.DECODING = "tests.preload"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="Run the slow tests too.")


def pytest_configure(config: pytest.Config) -> None:
    """Leave slow tests out, unless all are asked for or some by name, keyword or marker."""
    asked = config.option.all or config.option.keyword or config.option.markexpr
    if not asked and not named(config):
        config.option.markexpr = "not slow"


def named(config: pytest.Config) -> bool:
    """Whether single tests are named."""
    return any("::" in argument for argument in config.args)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A worker for every core; none for tests that are named, which one process begins sooner."""
    return 0 if named(config) else min(len(os.sched_getaffinity(0)), MOST_WORKERS)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """The usual one for files, but a test that ends its worker is not given to the next one too."""
    from tests.scheduling import Files

    return Files(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that no worker is left alone with one at the end."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What was imported stays: looking through it for garbage takes half a second each time."""
    gc.disable()
    try:
        return (yield)
    finally:
        if "transformers.configuration_utils" in sys.modules:
            from tests.once import save_repetitions

            save_repetitions()
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-second clip; read it, do not change it."""
    from tests.videos import write_video

    return write_video(tmp_path_factory.mktemp("clip") / "clip.mp4")


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """The one of `mini`."""
    from evscli.mini.form import mini_tokenizer

    return mini_tokenizer()


@pytest.fixture(scope="session")
def models() -> dict[str, PreTrainedModel]:
    """A tiny random model of every family, and the bundled one in float32."""
    import torch
    from transformers import AutoModelForImageTextToText

    from evscli.bundled import MINI_FOLDER
    from tests.checkpoints import FAMILIES, make_model

    mini = AutoModelForImageTextToText.from_pretrained(MINI_FOLDER, dtype=torch.float32)
    return {**{family: make_model(family) for family in FAMILIES}, "mini": mini.eval()}
