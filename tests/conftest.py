from __future__ import annotations

from pathlib import Path

import pytest

from tests.videos import write_video

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-second clip; read it, do not change it."""
    return write_video(tmp_path_factory.mktemp("clip") / "clip.mp4")
