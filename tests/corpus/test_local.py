from __future__ import annotations

from pathlib import Path

import pytest

from evscli.corpus.inputs import find_videos
from evscli.corpus.local import Summary, prune_corpus
from evscli.encoders import load_encoder
from evscli.errors import MismatchError
from evscli.pipeline import VideoPruner
from evscli.pruners import check_selection
from evscli.records import Failure, VideoInfo
from evscli.store import open_store
from tests.videos import write_video


@pytest.fixture(scope="module")
def pruner() -> VideoPruner:
    return VideoPruner(load_encoder("mini"), check_selection("vcast", 0.3))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good videos and a bad one between them."""
    for number, name in enumerate(("a", "c")):
        write_video(tmp_path / "in" / f"{name}.mp4", frames=16, seed=number)
    (tmp_path / "in" / "b.mp4").write_text("no video")
    return tmp_path / "in"


@pytest.fixture(autouse=True)
def _input_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()


def run(folder: Path, pruner: VideoPruner, **options: bool) -> tuple[Summary, list[object]]:
    seen: list[object] = []
    store = folder.parent / "store"
    videos = find_videos([str(folder)])
    (summary,) = prune_corpus(
        videos, pruner, [store], report=lambda _, result: seen.append(result), **options
    )
    return summary, seen


def test_every_video_is_reported_once_in_order(folder: Path, pruner: VideoPruner) -> None:
    summary, seen = run(folder, pruner)
    assert [type(result) for result in seen] == [VideoInfo, Failure, VideoInfo]
    assert [info.id for info in summary.pruned] == ["a", "c"]
    assert [failure.id for failure in summary.failed] == ["b"]
    assert summary.kept == sum(info.kept for info in summary.pruned) < summary.tokens


def test_a_second_run_skips_the_finished_and_counts_the_attempt(
    folder: Path, pruner: VideoPruner
) -> None:
    run(folder, pruner)
    summary, seen = run(folder, pruner)
    assert summary.skipped == ["a", "c"]
    assert seen[:2] == ["a", "c"]
    assert [failure.attempt for failure in summary.failed] == [2]


def test_another_source_under_a_finished_id_is_refused_before_any_work(
    folder: Path, pruner: VideoPruner
) -> None:
    run(folder, pruner)
    write_video(folder / "c.mp4", frames=40)
    (folder / "b.mp4").unlink()
    write_video(folder / "d.mp4", frames=16)
    with pytest.raises(MismatchError, match=r"c\.mp4 has .* bytes, the stored one had"):
        run(folder, pruner)
    assert sorted(open_store(folder.parent / "store")) == ["a", "c"]


def test_touching_a_file_does_not_make_it_another_source(folder: Path, pruner: VideoPruner) -> None:
    run(folder, pruner)
    for path in folder.iterdir():
        path.touch()
    assert run(folder, pruner, check_sources=True)[0].skipped == ["a", "c"]


def test_an_interrupt_keeps_what_is_finished(folder: Path, pruner: VideoPruner) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    videos, stores = find_videos([str(folder)]), [folder.parent / "store"]
    with pytest.raises(KeyboardInterrupt):
        prune_corpus(videos, pruner, stores, report=interrupt)
    assert list(open_store(folder.parent / "store")) == ["a"]


def test_a_name_that_cannot_be_an_id_fails_alone(folder: Path, pruner: VideoPruner) -> None:
    (folder / "b.mp4").rename(folder / "b\nb.mp4")
    summary, _ = run(folder, pruner)
    assert [info.id for info in summary.pruned] == ["a", "c"]
    (failure,) = summary.failed
    assert (failure.id, failure.stage) == ("b\nb", "open")
