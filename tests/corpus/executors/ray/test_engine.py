"""Real runs by actors of a local cluster; an actor takes seconds to start, so they are few."""

from __future__ import annotations

import pickle
import secrets
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from evscli.corpus.executors import groups
from evscli.corpus.executors.engine import Engine
from evscli.corpus.executors.local import prune_corpus
from evscli.corpus.executors.ray import actors, prune_on_ray, units_on_ray
from evscli.corpus.executors.ray.actor import Process
from evscli.corpus.executors.worker import Assignment
from evscli.corpus.inputs import find_videos
from evscli.corpus.tasks import Done, Summary, Task
from evscli.encoders.device import units_of
from evscli.errors import EvsError, StoreError
from evscli.job import Pruning, Selection
from evscli.job.loading import make_pruner
from evscli.pipeline import VideoPruner
from evscli.store import Store, open_store
from tests.faults import make_faulty
from tests.stores import assert_same
from tests.videos import truncate, write_video

ray = pytest.importorskip("ray", reason="Ray cannot be installed here")

pytestmark = pytest.mark.slow

CLIPS = 8
PRUNING = Pruning(selection=Selection(methods=("vcast",), budgets=(0.3,)))
MAKE = partial(make_pruner, PRUNING)
FAULTY = partial(make_faulty, PRUNING)


def suspicious(device: str) -> VideoPruner:
    """As FAULTY, in a worker that suspects a video at the first death: every start takes long."""
    groups.CRASHES = 1
    return FAULTY(device)


@pytest.fixture(scope="module")
def _cluster() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))  # else it is a file in the home
        patch.setenv("RAY_worker_niceness", "0")  # as all else that runs here
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")  # which takes a process of its own
        patch.delenv("RAY_ADDRESS", raising=False)
        ray.init(
            address="local",
            num_cpus=2,
            num_gpus=0,
            include_dashboard=False,
            object_store_memory=80 << 20,
            log_to_driver=False,
            configure_logging=False,
        )
        yield
        ray.shutdown()


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for number in range(CLIPS):
        write_video(folder / f"{number:02}.mp4", frames=16, seed=number)
    return folder


@pytest.fixture(scope="module")
def undisturbed(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = tmp_path_factory.mktemp("undisturbed") / "store"
    run(prune_corpus, MAKE, clips, store)
    return open_store(store)


class Seen:
    """Remembers what a run said."""

    def __init__(self) -> None:
        self.results: list[Done] = []

    def begin(self, tasks: Sequence[Task], summaries: Sequence[Summary]) -> None:
        self.tasks = [task.video.id for task in tasks]
        self.skipped = summaries[0].skipped

    def done(self, done: Done, *, again: bool) -> None:
        assert not again
        self.results.append(done)


def run(
    prune: Any, make: Any, folder: Path, store: Path, seen: Seen | None = None, **how: Any
) -> Seen:
    seen = seen or Seen()
    how = {"engine": Engine(processes=2), **how}
    prune(find_videos([str(folder)]), make, [store], listener=seen, **how)
    return seen


class Interrupting(Seen):
    """Presses Ctrl-C when all results but one are there."""

    def done(self, done: Done, *, again: bool) -> None:
        super().done(done, again=again)
        if len(self.results) == len(self.tasks) - 1:
            raise KeyboardInterrupt


@pytest.fixture
def _poisoned(clips: Path, tmp_path: Path) -> None:
    """The clips in folder `in`, and after the third of them four that cannot be pruned."""
    shutil.copytree(clips, tmp_path / "in")
    poison = tmp_path / "in/02-poison"
    poison.mkdir()
    for name in ("fatal", "segfault"):
        shutil.copy(clips / "00.mp4", poison / f"{name}.mp4")
    truncate(shutil.copy(clips / "01.mp4", poison / "cut.mp4"))
    (poison / "empty.mp4").touch()


@pytest.mark.usefixtures("_cluster", "_poisoned")
def test_a_run_with_poison_videos_that_is_interrupted_and_resumed_is_a_local_run(
    tmp_path: Path,
    undisturbed: Store,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A video kills an actor, which is replaced: what it had finished is in no shard yet."""
    folder, store = tmp_path / "in", tmp_path / "store"
    first = Interrupting()
    with pytest.raises(KeyboardInterrupt):
        run(prune_on_ray, suspicious, folder, store, first, workers=2)
    (remark,) = caplog.messages
    assert remark.startswith("the worker on cpu of ")
    assert "died (its worker process has died" in remark
    assert "another one goes on with its videos" in remark
    assert capfd.readouterr() == ("", "")
    told = Counter(done.task.video.id for done in first.results)
    assert len(told) == told.total() == len(first.tasks) - 1
    assert all(len(pickle.dumps(done)) < 4096 for done in first.results)
    assert not [*store.glob(".writer-*")]  # the actors have closed their shards
    between = open_store(store)
    failed = {id: (f.stage, f.kind) for id, f in between.failures.items()}
    poison = {
        "02-poison/segfault": ("index", "Crashed"),
        "02-poison/fatal": ("encode", "Crashed"),
        "02-poison/cut": ("open", "InvalidDataError"),
        "02-poison/empty": ("open", "VideoError"),
    }
    # The one video that was not waited for may be any, and may be in the store or not.
    assert failed.items() <= poison.items()
    assert poison.keys() & told.keys() <= failed.keys()
    assert {*told} - {*failed} <= {*between}
    seen = run(prune_corpus, MAKE, folder, store)
    assert seen.skipped >= CLIPS - 1
    resumed = open_store(store)
    # Poison that was not waited for has not failed yet, and another run may survive it.
    late = {*resumed} - {*undisturbed}
    assert late <= poison.keys() - told.keys()
    if not late:
        assert_same(resumed, undisturbed)


@pytest.mark.usefixtures("_cluster")
def test_one_worker_is_asked_for_all_what_there_are_units_for() -> None:
    assert units_on_ray(device="cpu") == units_of(torch.device("cpu"))


@pytest.mark.usefixtures("_cluster")
def test_a_cluster_that_is_busy_is_said_to_be(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actors, "PLACE_SECONDS", 0.5)
    others = ray.util.placement_group([{"CPU": 1}])
    assert others.wait(60)
    try:
        with pytest.raises(
            EvsError, match=r"no place for a worker with 2 CPUs for 0\.5 s \(1 CPUs"
        ):
            run(prune_on_ray, MAKE, clips, tmp_path / "store", workers=1)
        with pytest.raises(EvsError, match="no place for a worker with 2 CPUs"):
            units_on_ray(workers=1)
    finally:
        ray.util.remove_placement_group(others)


def test_a_store_that_the_nodes_do_not_share_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actors, "SEEN_SECONDS", 0)
    assignment = Assignment(make=MAKE, device="cpu", folders=(tmp_path,), engine=Engine(), writer=0)
    with pytest.raises(StoreError, match=r"far does not write to .* file system that all nodes"):
        actors.refuse_elsewhere(assignment, Process(host="far", pid=1))


@pytest.mark.usefixtures("_cluster")
def test_an_actor_whose_device_fails_is_replaced(
    clips: Path, tmp_path: Path, undisturbed: Store, caplog: pytest.LogCaptureFixture
) -> None:
    folder, store = tmp_path / "in", tmp_path / "store"
    folder.mkdir()
    for name in ("00", "01", "02"):
        shutil.copy(clips / f"{name}.mp4", folder)
    shutil.copy(clips / "00.mp4", folder / "lost.mp4")
    run(prune_on_ray, suspicious, folder, store, workers=2)
    (remark,) = caplog.messages
    assert "died (its device failed: CUDA error: " in remark
    made = open_store(store)
    assert [*made] == ["00", "01", "02"]
    assert made.failures["lost"].kind == "Crashed"
    assert all(made.sha256(name) == undisturbed.sha256(name) for name in made)
