from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from evscli.corpus.decoding import decoder
from evscli.corpus.decoding.decoder import OpenSource
from evscli.corpus.decoding.wire import Request
from evscli.records import SourceInfo, VideoInput
from tests.videos import write_video


@pytest.fixture
def video(tmp_path: Path) -> VideoInput:
    path = write_video(tmp_path / "clip.mp4", frames=24)
    return VideoInput(id="clip", path=path, root=tmp_path)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the videos whose source was hashed."""
    ids: list[str] = []

    def remember(video: VideoInput, path: Path) -> SourceInfo:
        ids.append(video.id)
        return SourceInfo(path=path.name, size=path.stat().st_size, sha256="")

    monkeypatch.setattr(decoder, "source_info", remember)
    return ids


def ask(source: OpenSource, video: VideoInput, start: float | None) -> None:
    part = replace(video, id=f"{video.id}@{start}", start=start)
    source.open(Request(video=part, chunk_frames=1, resize=None))
    source.index(Request(video=part, chunk_frames=1, resize=None))


def test_parts_of_one_source_have_it_opened_once(video: VideoInput, opened: list[str]) -> None:
    source = OpenSource()
    for start in (0.0, 0.25, 0.5):
        ask(source, video, start)
    assert opened == ["clip@0.0"]


def test_another_source_and_a_whole_one_are_opened(video: VideoInput, opened: list[str]) -> None:
    other = replace(video, id="other", path=write_video(video.root / "other.mp4", frames=12))
    source = OpenSource()
    for asked, start in ((video, 0.0), (other, 0.0), (other, 0.1), (video, 0.0), (video, None)):
        ask(source, asked, start)
    assert opened == ["clip@0.0", "other@0.0", "clip@0.0", "clip@None"]


def test_a_file_that_was_replaced_is_opened_again(video: VideoInput, opened: list[str]) -> None:
    source = OpenSource()
    ask(source, video, 0.0)
    write_video(video.path, frames=36)
    os.utime(video.path, ns=(1, 1))
    ask(source, video, 0.5)
    assert opened == ["clip@0.0", "clip@0.5"]
    assert source.index(Request(video=video, chunk_frames=1, resize=None)).frames == 36
