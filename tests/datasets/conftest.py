from __future__ import annotations

from pathlib import Path

import pytest

from evscli.store import StoreWriter
from tests.store.samples import CONFIG, record

IDS = [f"v{number:02d}" for number in range(23)]


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """23 videos of various sizes by two writers, in shards of 4; read it, do not change it."""
    folder = tmp_path_factory.mktemp("datasets") / "store"
    for number in range(2):
        with StoreWriter(folder, CONFIG, writer=number, shard_videos=4) as writer:
            for position, video_id in enumerate(IDS[number::2]):
                writer.add(record(video_id, grid=(1 + position % 3, 2, 4), planes=2))
    return folder
