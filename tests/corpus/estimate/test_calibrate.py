from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from evscli.corpus.decoding.process import DecoderProcess
from evscli.corpus.estimate import calibrate as module
from evscli.corpus.estimate.calibrate import calibrate, decode_clip
from evscli.corpus.tasks import Task
from evscli.encoders import load_encoder
from evscli.pipeline import VideoPruner
from evscli.pruners import check_selection
from evscli.records import PrunedVideo, VideoInput
from tests.videos import damage, write_video


@pytest.fixture(scope="module")
def pruner() -> VideoPruner:
    encoder = load_encoder("mini", chunk_frames=2)
    inside = check_selection("window-diff", 0.5, prune_at=1)
    return VideoPruner(encoder, check_selection("evs", 0.5), inside)


@pytest.fixture
def decoder() -> Iterator[DecoderProcess]:
    process = DecoderProcess(timeout=60)
    yield process
    process.kill()


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def task(path: Path) -> Task:
    video = VideoInput(id=path.stem, path=path, root=path.parent)
    return Task(video=video, tries={0: 1, 1: 1})


def test_the_beginning_of_a_video_is_pruned_like_a_whole_one(
    clip: Path, pruner: VideoPruner, decoder: DecoderProcess
) -> None:
    whole = decode_clip(task(clip).video, pruner.encoder, decoder, seconds=60)
    assert len(whole.chunks) == whole.planned.plan.grid_thw[0] > 2
    short = whole.first(2)
    assert short.planned.plan.grid_thw[0] == 2
    pruned = pruner.prune_planned(short.planned, frames=lambda: (each for each in short.chunks))
    for _, record in pruned:
        assert isinstance(record, PrunedVideo)
        assert (record.keep_mask.shape[0], len(record.prompt_times)) == (2, 2)
        assert len(record.source_index) == len(record.frame_times) == 4
    stopped = decode_clip(task(clip).video, pruner.encoder, decoder, seconds=0)
    assert len(stopped.chunks) == 1
    assert len(stopped.planned.plan.source_index) == 2


def test_videos_that_can_be_decoded_are_tried_and_nothing_is_left(
    clip: Path, tmp_path: Path, temporary: Path, pruner: VideoPruner, decoder: DecoderProcess
) -> None:
    broken = damage(write_video(tmp_path / "broken.mp4"), start=0.2, stop=0.7)
    effort = calibrate([task(broken), task(clip)], pruner, decoder)
    assert effort.videos == 1
    whole = decode_clip(task(clip).video, pruner.encoder, decoder, seconds=60)
    assert effort.tokens == whole.tokens
    assert min(effort.decode_seconds, effort.encode_seconds, effort.write_seconds) > 0
    assert list(temporary.iterdir()) == []


def test_an_interrupt_leaves_nothing(
    clip: Path,
    temporary: Path,
    pruner: VideoPruner,
    decoder: DecoderProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(*_: object) -> None:
        assert list(temporary.iterdir())
        raise KeyboardInterrupt

    monkeypatch.setattr(module.StoreWriter, "add", interrupt)
    with pytest.raises(KeyboardInterrupt):
        calibrate([task(clip)], pruner, decoder)
    assert list(temporary.iterdir()) == []
