from __future__ import annotations

import os
from pathlib import Path

# Before torch is imported: the models are tiny, and a second thread only waits for the first.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from tests.videos import write_video


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-second clip; read it, do not change it."""
    return write_video(tmp_path_factory.mktemp("clip") / "clip.mp4")
