from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evscli.corpus.executors import local
from evscli.corpus.executors.engine import Engine
from evscli.corpus.executors.local import CorpusRun, prune_corpus
from evscli.corpus.inputs import find_videos
from evscli.corpus.resume import Retries
from evscli.corpus.tasks import Done, Outcome, Summary, Task
from evscli.encoders import load_encoder
from evscli.errors import MismatchError, StoreError
from evscli.pipeline import VideoPruner
from evscli.pruners import check_selection
from evscli.records import Failure, VideoInfo
from evscli.store import open_store
from tests.videos import write_video


@pytest.fixture(scope="module")
def pruner() -> VideoPruner:
    return VideoPruner(load_encoder("mini"), check_selection("vcast", 0.3))


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two good videos and a bad one between them; read it, do not change it."""
    folder = tmp_path_factory.mktemp("sources") / "in"
    folder.mkdir()
    for number, name in enumerate(("a", "c")):
        write_video(folder / f"{name}.mp4", frames=16, seed=number)
    (folder / "b.mp4").write_text("no video")
    return folder


@pytest.fixture
def folder(sources: Path, tmp_path: Path) -> Path:
    """A copy of them."""
    return shutil.copytree(sources, tmp_path / "in")


@pytest.fixture(scope="module")
def once(sources: Path, pruner: VideoPruner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of them with the store of a run beside it; read it, do not change it."""
    folder = shutil.copytree(sources, tmp_path_factory.mktemp("once") / "in")
    run(folder, pruner)
    return folder.parent


@pytest.fixture
def pruned(once: Path, tmp_path: Path) -> Path:
    """A copy of them with the store of a run beside it."""
    return shutil.copytree(once, tmp_path / "pruned") / "in"


class Seen:
    """Remembers what a run said."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.again: list[bool] = []

    def begin(self, tasks: Sequence[Task], summaries: Sequence[Summary]) -> None:
        self.tasks = [task.video.id for task in tasks]
        self.before = [replace(summary) for summary in summaries]

    def done(self, done: Done, *, again: bool) -> None:
        self.outcomes.append(done.outcome)
        self.again.append(again)

    @property
    def ids(self) -> list[str]:
        return [outcome.id for outcome in self.outcomes]


def run(folder: Path, pruner: VideoPruner, engine: Engine | None = None) -> tuple[Summary, Seen]:
    seen = Seen()
    videos, stores = find_videos([str(folder)]), [folder.parent / "store"]
    (summary,) = prune_corpus(
        videos, lambda _: pruner, stores, listener=seen, engine=engine or Engine(processes=2)
    )
    return summary, seen


def test_every_video_is_reported_once_in_order(folder: Path, pruner: VideoPruner) -> None:
    summary, seen = run(folder, pruner)
    assert seen.tasks == seen.ids == ["a", "b", "c"]
    assert [type(outcome) for outcome in seen.outcomes] == [VideoInfo, Failure, VideoInfo]
    assert (summary.pruned, summary.failed, summary.skipped) == (2, 1, 0)
    assert 0 < summary.kept < summary.tokens


@pytest.mark.parametrize("processes", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_the_number_of_processes_changes_no_byte(
    folder: Path, once: Path, pruner: VideoPruner, processes: int
) -> None:
    shard = "shard-0-00000.safetensors"
    expected = (once / "store" / shard).read_bytes()
    seen = Seen()
    videos, stores = find_videos([str(folder)]), [folder.parent / "other"]
    prune_corpus(
        videos, lambda _: pruner, stores, listener=seen, engine=Engine(processes=processes)
    )
    assert (folder.parent / "other" / shard).read_bytes() == expected


def test_a_second_run_tries_neither_the_finished_nor_the_failed(
    pruned: Path, pruner: VideoPruner
) -> None:
    summary, seen = run(pruned, pruner)
    assert seen.ids == []
    assert (summary.skipped, summary.failed_earlier, summary.failed) == (2, 1, 0)
    assert seen.before == [summary]


@pytest.mark.slow
def test_failed_videos_are_tried_again_on_request(pruned: Path, pruner: VideoPruner) -> None:
    summary, seen = run(pruned, pruner, Engine(retries=Retries(failed=True)))
    assert seen.ids == ["b"]
    assert [outcome.attempt for outcome in seen.outcomes if isinstance(outcome, Failure)] == [2]
    assert (summary.skipped, summary.failed) == (2, 1)


@pytest.mark.slow
def test_a_failed_video_whose_file_has_changed_is_tried_again(
    pruned: Path, pruner: VideoPruner
) -> None:
    shutil.copy(pruned / "c.mp4", pruned / "b.mp4")
    summary, seen = run(pruned, pruner)
    assert seen.ids == ["b"]
    assert (summary.pruned, summary.failed) == (1, 0)


@pytest.mark.slow
def test_a_link_that_leads_nowhere_fails_alone_and_is_tried_when_its_file_has_come(
    folder: Path, pruner: VideoPruner
) -> None:
    away = folder.parent / "away.mp4"
    (folder / "b.mp4").unlink()
    (folder / "b.mp4").symlink_to(away)
    summary, seen = run(folder, pruner)
    assert seen.ids == ["a", "b", "c"]
    assert (summary.pruned, summary.failed) == (2, 1)
    failure = open_store(folder.parent / "store").failures["b"]
    assert (failure.stage, failure.kind, failure.size) == ("open", "FileNotFoundError", None)
    assert f"b.mp4 is a link to {away}, which is not there; fetch" in failure.message
    summary, seen = run(folder, pruner)
    assert (seen.ids, summary.skipped, summary.failed_earlier) == ([], 2, 1)
    shutil.copy(folder / "c.mp4", away)
    summary, seen = run(folder, pruner)
    assert (seen.ids, summary.pruned, summary.skipped) == (["b"], 1, 2)


@pytest.mark.slow
def test_a_finished_video_whose_file_is_gone_since_is_finished(
    pruned: Path, pruner: VideoPruner
) -> None:
    (pruned / "a.mp4").rename(pruned.parent / "kept.mp4")
    (pruned / "a.mp4").symlink_to("nowhere")
    summary, seen = run(pruned, pruner)
    assert (seen.ids, summary.skipped, summary.failed_earlier) == ([], 2, 1)
    with pytest.raises(MismatchError, match=r"a\.mp4 is not there to be hashed again"):
        run(pruned, pruner, Engine(check_sources=True))


def test_a_failing_video_is_tried_at_the_end_until_its_attempts_are_used_up(
    folder: Path, pruner: VideoPruner
) -> None:
    summary, seen = run(folder, pruner, Engine(retries=Retries(attempts=3)))
    assert seen.ids == ["a", "b", "c", "b", "b"]
    assert seen.again == [False, True, False, True, False]
    assert (summary.pruned, summary.failed) == (2, 1)
    assert open_store(folder.parent / "store").failures["b"].attempt == 3
    assert run(folder, pruner, Engine(retries=Retries(attempts=3)))[1].ids == []
    assert run(folder, pruner, Engine(retries=Retries(attempts=4)))[1].ids == ["b"]


@pytest.mark.slow
def test_another_source_under_a_finished_id_is_refused_before_any_work(
    pruned: Path, pruner: VideoPruner
) -> None:
    shutil.copy(pruned / "c.mp4", pruned / "d.mp4")
    write_video(pruned / "c.mp4", frames=40)
    (pruned / "b.mp4").unlink()
    with pytest.raises(MismatchError, match=r"c\.mp4 has .* bytes, the stored one had"):
        run(pruned, pruner)
    assert sorted(open_store(pruned.parent / "store")) == ["a", "c"]


@pytest.mark.slow
def test_touching_a_file_does_not_make_it_another_source(pruned: Path, pruner: VideoPruner) -> None:
    for path in pruned.iterdir():
        path.touch()
    assert run(pruned, pruner, Engine(check_sources=True))[0].skipped == 2


def test_an_interrupt_keeps_what_is_finished(folder: Path, pruner: VideoPruner) -> None:
    class Interrupting(Seen):
        def done(self, _done: Done, *, again: bool) -> None:  # noqa: ARG002
            raise KeyboardInterrupt

    videos, stores = find_videos([str(folder)]), [folder.parent / "store"]
    with pytest.raises(KeyboardInterrupt):
        prune_corpus(
            videos, lambda _: pruner, stores, listener=Interrupting(), engine=Engine(processes=1)
        )
    assert "a" in open_store(folder.parent / "store")
    run(folder, pruner)
    assert sorted(open_store(folder.parent / "store")) == ["a", "c"]


@pytest.mark.slow
def test_a_store_that_disappears_ends_the_run_with_one_line(
    folder: Path, pruner: VideoPruner
) -> None:
    class Removing(Seen):
        def done(self, _done: Done, *, again: bool) -> None:  # noqa: ARG002
            shutil.rmtree(folder.parent / "store", ignore_errors=True)  # it is written to meanwhile

    for number in range(8):
        shutil.copy(folder / "c.mp4", folder / f"d{number}.mp4")
    videos, stores = find_videos([str(folder)]), [folder.parent / "store"]
    with pytest.raises(StoreError, match="store was removed while it was written to"):
        prune_corpus(
            videos, lambda _: pruner, stores, listener=Removing(), engine=Engine(processes=1)
        )


@pytest.mark.slow
def test_a_name_that_cannot_be_an_id_fails_alone(folder: Path, pruner: VideoPruner) -> None:
    (folder / "b.mp4").rename(folder / "b\nb.mp4")
    summary, seen = run(folder, pruner)
    assert summary.pruned == 2
    (failure,) = [outcome for outcome in seen.outcomes if isinstance(outcome, Failure)]
    assert (failure.id, failure.stage) == ("b\nb", "open")


def test_a_store_begun_on_another_device_goes_on_with_one_remark(
    pruned: Path, pruner: VideoPruner, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr("evscli.provenance.device_name", lambda _: "Another CPU")
    write_video(pruned / "d.mp4", frames=16, seed=4)
    summary, _ = run(pruned, pruner)
    assert summary.pruned == 1
    (remark,) = (one.getMessage() for one in caplog.records if "was begun on" in one.getMessage())
    assert "goes on on cpu (Another CPU)" in remark
    (shard, _) = sorted((pruned.parent / "store").glob("shard*"))
    assert open_store(shard)["a"].info.id == "a"


def test_there_are_no_more_workers_than_videos(
    folder: Path, pruner: VideoPruner, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools = list[Sequence[str]]()

    def pooled(run: CorpusRun, _: object) -> list[Summary]:
        pools.append(run.engine.devices)
        return []

    monkeypatch.setattr(local, "prune_by_pool", pooled)
    for most, segment in ((3, None), (1, None), (1, 1.0)):
        prune_corpus(
            find_videos([str(folder)])[:most],
            lambda _: pruner,
            [folder.parent / f"{most}-{segment}"],
            listener=Seen(),
            engine=Engine(devices=("cpu",) * 5, segment=segment),
        )
    assert pools == [("cpu",) * 3, ("cpu",) * 5]
