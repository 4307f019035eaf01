from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from evscli.corpus.decoding.process import DecoderProcess
from evscli.corpus.executors.engine import Engine
from evscli.corpus.executors.local import prune_corpus
from evscli.corpus.inputs import find_videos
from evscli.corpus.progress import Progress
from evscli.corpus.resume import Retries
from evscli.corpus.segments import Cutter, check_segment
from evscli.corpus.tasks import Done, Summary, Task
from evscli.encoders import load_encoder
from evscli.errors import MismatchError, UsageError, VideoError
from evscli.pipeline import VideoPruner
from evscli.pruners import check_selection
from evscli.records import Failure, VideoInput
from evscli.store import Store, open_store
from evscli.video import VideoIndex
from tests.videos import write_video

IDS = ["a@0-1", "a@1-2", "a@2-3", "c@0-1"]


@pytest.fixture(scope="module")
def pruner() -> VideoPruner:
    return VideoPruner(load_encoder("mini"), check_selection("vcast", 0.3), segment=1.0)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of 2.5 s, one that is none, and one of a second and a frame; only to be read."""
    folder = tmp_path_factory.mktemp("sources") / "in"
    folder.mkdir()
    write_video(folder / "a.mp4", frames=60)
    (folder / "b.mp4").write_text("no video")
    write_video(folder / "c.mp4", frames=25, seed=1)
    return folder


@pytest.fixture
def folder(sources: Path, tmp_path: Path) -> Path:
    """A copy of them."""
    return shutil.copytree(sources, tmp_path / "in")


@pytest.fixture(scope="module")
def once(
    sources: Path, pruner: VideoPruner, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Summary, Seen]:
    """A copy of them with the store of a run beside it, and what the run said; only to be read."""
    folder = shutil.copytree(sources, tmp_path_factory.mktemp("once") / "in")
    return folder.parent, *run(folder, pruner)


@pytest.fixture
def pruned(once: tuple[Path, Summary, Seen], tmp_path: Path) -> Path:
    """A copy of them with the store of a run beside it."""
    return shutil.copytree(once[0], tmp_path / "pruned") / "in"


class Seen:
    """Remembers what a run said; is interrupted after some results."""

    def __init__(self, most: int | None = None) -> None:
        self.most = most
        self.ids: list[str] = []

    def begin(self, tasks: Sequence[Task], summaries: Sequence[Summary]) -> None:
        self.files = [task.video.id for task in tasks]
        self.before = summaries
        self.progress = Progress(tasks)

    def done(self, done: Done, *, again: bool) -> None:
        assert not again
        self.ids.append(done.outcome.id)
        self.progress.add(done)
        if len(self.ids) == self.most:
            raise KeyboardInterrupt


def run(
    folder: Path,
    pruner: VideoPruner,
    *,
    name: str = "store",
    seen: Seen | None = None,
    processes: int = 1,
    retries: Retries | None = None,
) -> tuple[Summary, Seen]:
    seen = seen or Seen()
    engine = Engine(segment=1.0, processes=processes, retries=retries or Retries())
    (summary,) = prune_corpus(
        find_videos([str(folder)]),
        lambda _: pruner,
        [folder.parent / name],
        listener=seen,
        engine=engine,
    )
    return summary, seen


def assert_same(one: Store, other: Store) -> None:
    assert list(one) == list(other)
    for name in one:
        mine, yours = one[name].tensors(), other[name].tensors()
        assert all(torch.equal(mine[key], yours[key]) for key in mine)


@pytest.mark.slow
def test_a_video_that_is_not_there_is_cut_when_it_has_come(
    folder: Path, pruner: VideoPruner
) -> None:
    away = (folder / "a.mp4").rename(folder.parent / "away.mp4")
    (folder / "a.mp4").symlink_to(folder.parent / "come.mp4")
    summary, seen = run(folder, pruner)
    assert (summary.pruned, seen.ids) == (1, ["a@0-1", "b@0-1", IDS[3]])
    failure = open_store(folder.parent / "store").failures["a@0-1"]
    assert (failure.stage, failure.whole, failure.size) == ("open", True, None)
    assert run(folder, pruner)[1].ids == []
    away.rename(folder.parent / "come.mp4")
    assert run(folder, pruner)[1].ids == IDS[:3]


def test_videos_are_cut_and_every_segment_is_a_video(once: tuple[Path, Summary, Seen]) -> None:
    folder, summary, seen = once
    assert seen.files == ["a", "b", "c"]
    assert seen.ids == [*IDS[:3], "b@0-1", IDS[3]]
    assert (summary.pruned, summary.failed) == (4, 1)
    store = open_store(folder / "store")
    assert list(store) == IDS
    assert [store[name].info.duration for name in IDS] == [1.0, 1.0, 0.5, 1.0]
    parts = [store[name].info.part for name in IDS]
    assert [part.segments for part in parts if part] == [3, 3, 3, 1]
    assert (store.failures["b@0-1"].stage, store.failures["b@0-1"].whole) == ("open", True)


def test_progress_counts_files_by_the_shares_of_their_segments(
    once: tuple[Path, Summary, Seen],
) -> None:
    state = once[2].progress.state()
    assert (state.videos, state.done, state.failed) == (3, 3, 1)
    assert state.seconds == 3.5
    assert state.seconds_expected == pytest.approx(3.5)


@pytest.mark.slow
def test_the_number_of_processes_changes_no_byte(pruned: Path, pruner: VideoPruner) -> None:
    run(pruned, pruner, name="three", processes=3)
    shard = "shard-0-00000.safetensors"
    one, three = (pruned.parent / name / shard for name in ("store", "three"))
    assert one.read_bytes() == three.read_bytes()


def test_a_second_run_looks_into_no_file(
    pruned: Path, pruner: VideoPruner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DecoderProcess, "make_ready", lambda _: pytest.fail("it started a decoder"))
    summary, seen = run(pruned, pruner)
    assert (seen.files, seen.ids) == ([], [])
    assert (summary.skipped, summary.failed_earlier) == (4, 1)


@pytest.mark.parametrize(
    "most", [2, *(pytest.param(most, marks=pytest.mark.slow) for most in (1, 4))]
)
def test_an_interrupted_run_is_gone_on_with(
    folder: Path, once: tuple[Path, Summary, Seen], pruner: VideoPruner, most: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(folder, pruner, seen=Seen(most))
    summary, seen = run(folder, pruner)
    assert len(set(seen.ids) & set(IDS)) == summary.pruned <= 4 - (most < 4) * most
    assert_same(open_store(folder.parent / "store"), open_store(once[0] / "store"))


@pytest.mark.slow
def test_a_file_that_could_not_be_opened_is_cut_when_it_is_mended(
    pruned: Path, pruner: VideoPruner
) -> None:
    write_video(pruned / "b.mp4", frames=40)
    summary, seen = run(pruned, pruner)
    assert (seen.files, seen.ids) == (["b"], ["b@0-1", "b@1-2"])
    assert (summary.pruned, summary.skipped, summary.failed_earlier) == (2, 4, 0)
    assert open_store(pruned.parent / "store").failures == {}


@pytest.mark.slow
def test_a_file_that_cannot_be_opened_is_tried_once_in_a_run(
    folder: Path, pruner: VideoPruner
) -> None:
    for attempt in (1, 2):
        assert run(folder, pruner, retries=Retries(attempts=2))[1].ids.count("b@0-1") == 1
        failure = open_store(folder.parent / "store").failures["b@0-1"]
        assert isinstance(failure, Failure)
        assert failure.attempt == attempt
    assert run(folder, pruner, retries=Retries(attempts=2))[1].files == []


@pytest.mark.slow
def test_a_file_that_can_be_opened_no_more_has_failed_where_segments_are_left(
    folder: Path, pruner: VideoPruner
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(folder, pruner, seen=Seen(1))
    done = set(open_store(folder.parent / "store"))
    assert "a@0-1" in done
    size = (folder / "a.mp4").stat().st_size
    (folder / "a.mp4").write_bytes(bytes(size))
    for failed, earlier in ((2, 0), (0, 2)):
        summary, _ = run(folder, pruner)
        assert (summary.failed, summary.failed_earlier) == (failed, earlier)
        failures = open_store(folder.parent / "store").failures
        left = next(name for name in ("a@1-2", "a@2-3", "a@3-4") if name not in done)
        assert set(failures) == {left, "b@0-1"}


@pytest.mark.slow
def test_another_file_under_a_finished_id_is_refused_before_any_work(
    pruned: Path, pruner: VideoPruner
) -> None:
    write_video(pruned / "c.mp4", frames=70)
    with pytest.raises(MismatchError, match=r"c\.mp4 has .* bytes, the stored one had"):
        run(pruned, pruner)


class Stuck:
    """A decoder that is busy until somebody ends it."""

    def __init__(self) -> None:
        self.begun, self.ended = threading.Event(), threading.Event()

    def look_into(self, video: VideoInput) -> VideoIndex:
        self.begun.set()
        self.ended.wait()
        raise VideoError(f"{video.name} was given up")

    def interrupt(self) -> None:
        self.ended.set()

    def kill(self) -> None:
        assert self.ended.is_set()


def test_nobody_waits_for_a_cut_that_never_comes(folder: Path) -> None:
    decoder = Stuck()
    videos = find_videos([str(folder / "a.mp4")])  # of others it may not come to ask before the end
    with Cutter(1.0, decoder) as cutter:  # type: ignore[arg-type]
        cuts = cutter.cut(videos)
        waits = threading.Thread(target=lambda: next(cuts))
        waits.start()
        decoder.begun.wait()
        cutter.stop()
        waits.join()


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_only_a_length_is_a_length(seconds: float) -> None:
    with pytest.raises(UsageError, match="is not a length of segments"):
        check_segment(seconds, [])


def test_a_part_is_not_cut(folder: Path) -> None:
    part = VideoInput(id="a@1-2", path=folder / "a.mp4", root=folder, start=1.0, end=2.0)
    with pytest.raises(UsageError, match="names the parts itself"):
        check_segment(1.0, [part])
