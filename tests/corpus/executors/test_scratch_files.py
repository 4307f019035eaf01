"""Long videos: what lies in scratch files gives the same bytes as what fits memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from evscli import scratch
from evscli.corpus.executors.engine import Engine
from evscli.corpus.executors.local import prune_corpus
from evscli.corpus.inputs import find_videos
from evscli.encoders import VideoEncoder, load_encoder
from evscli.pipeline import VideoPruner
from evscli.pruners import check_selection
from evscli.records import PruneAt
from evscli.store.schema import list_shards
from tests.corpus.executors.test_local import Seen
from tests.videos import write_video


@pytest.fixture(scope="module")
def encoder() -> VideoEncoder:
    return load_encoder("mini")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("long")
    write_video(folder / "a.mp4", frames=120)
    write_video(folder / "b.mp4", frames=33, seed=1)
    return folder


class Files:
    """The scratch files that are made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        monkeypatch.setattr(scratch.os, "posix_fallocate", self._reserve)

    def _reserve(self, handle: int, offset: int, size: int) -> None:
        self.sizes.append(size)
        os.ftruncate(handle, offset + size)


@pytest.mark.parametrize("prune_at", [None, 1, "input"])
def test_scratch_files_change_no_byte_of_a_store(
    sources: Path,
    encoder: VideoEncoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    prune_at: PruneAt | None,
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    files = Files(monkeypatch)

    def shards(place: str, *, free: int) -> list[bytes]:
        monkeypatch.setattr(scratch, "IN_MEMORY_BYTES", 0)
        monkeypatch.setattr(scratch, "free_memory", lambda: free)
        pruner = VideoPruner(encoder, check_selection("vcast", 0.25, prune_at=prune_at))
        folder = tmp_path / place
        prune_corpus(
            find_videos([str(sources)]),
            lambda _: pruner,
            [folder],
            listener=Seen(),
            engine=Engine(processes=1),
        )
        return [path.read_bytes() for path in list_shards(folder)]

    in_memory = shards("memory", free=1 << 40)
    assert files.sizes == []
    on_disk = shards("disk", free=0)
    assert len(files.sizes) >= 2
    assert sum(files.sizes) > 0
    assert in_memory == on_disk
    assert len(in_memory) == 1
    assert not list(tmp_path.glob(".evs-scratch-*"))
