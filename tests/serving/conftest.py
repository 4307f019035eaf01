"""Stores of two short clips, made once."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Stores of the clips `a` and `b c?` by name: nested masks, and narrow dtypes of them."""
    from evscli.api import prune_videos
    from evscli.job import Encoding, Execution, Job, Selection, Storage
    from tests.videos import write_video

    folder = tmp_path_factory.mktemp("kept")
    (folder / "clips").mkdir()
    for name in ("a", "b c?"):
        write_video(folder / "clips" / f"{name}.mp4")
    stores = {}
    for name, dtype in (("wide", "auto"), ("float8", "float8"), ("int8", "int8")):
        job = Job(
            selection=Selection(methods=("surprise",), budgets=(0.5,)),
            encoding=Encoding(dtype="float32", device="cpu"),
            storage=Storage(output=str(folder / name), store_dtype=dtype),
            execution=Execution(workers=1),
        )
        prune_videos(str(folder / "clips"), job)
        stores[name] = folder / name
    return stores
