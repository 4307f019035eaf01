"""Faults that a run left alone overnight must survive, each of them really done."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import time
from functools import partial
from pathlib import Path

import pytest
import torch

from evscli.store import Store, open_store, verify
from tests.disks import fill, mounted
from tests.evs import Running, run_evs, wait_until
from tests.faults import install, little_memory, no_memory, obey_permissions, small_shards
from tests.stores import assert_same
from tests.videos import truncate, write_video

pytestmark = pytest.mark.slow

PRUNE = ("--method", "vcast", "--budget", "0.3", "--model", "mini", "-o", "store")
CLIPS = 12
FEW = 4
ROUNDS = 3
PARTS = ".writer-[12]"
"""What workers but the first one have finished and not yet put into a shard."""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for number in range(CLIPS):
        write_video(folder / f"{number:02}.mp4", frames=16, seed=number)
    return folder


@pytest.fixture(scope="module")
def undisturbed(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert run_evs("prune", clips, *PRUNE, cwd=folder, before=small_shards).code == 0
    return open_store(folder / "store")


def copy_few(clips: Path, folder: Path) -> Path:
    """A folder of the first clips, to which others may be added."""
    folder.mkdir()
    for path in sorted(clips.iterdir())[:FEW]:
        shutil.copy(path, folder)
    return folder


def has_begun(running: Running) -> bool:
    """Whether a run has said that a video is done, or is over already."""
    return "->" in running.out.read_text() or not running.process.is_alive()


def no_decoder_left(of: int) -> bool:
    """Whether no child is left of the process `of`."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:
            continue
        if f"PPid:\t{of}\n" in text and "State:\tZ" not in text:
            return False
    return True


def test_decoders_that_crash_or_hang_cost_their_videos_only(clips: Path, tmp_path: Path) -> None:
    folder = copy_few(clips, tmp_path / "in")
    for name in ("03a", "10a"):
        shutil.copy(folder / "00.mp4", folder / f"segfault{name}.mp4")
    shutil.copy(folder / "00.mp4", folder / "endless.mp4")
    truncate(shutil.copy(folder / "01.mp4", folder / "cut.mp4"))
    (folder / "empty.mp4").touch()
    arguments = ("prune", folder, *PRUNE, "--timeout", "1", "--processes", "2")
    result = run_evs(*arguments, cwd=tmp_path, before=install)
    assert result.code == 3, result
    store = open_store(tmp_path / "store")
    assert len(store) == FEW
    assert {name: (f.stage, f.kind) for name, f in store.failures.items()} == {
        "segfault03a": ("index", "Crashed"),
        "segfault10a": ("index", "Crashed"),
        "endless": ("index", "Timeout"),
        "cut": ("open", "InvalidDataError"),
        "empty": ("open", "VideoError"),
    }
    assert "signal SIGSEGV" in result.err
    again = run_evs(*arguments, cwd=tmp_path)
    assert again.code == 3
    assert "5 failed earlier (--retry-failed tries them again)" in again.out
    mended = run_evs(*arguments, "--retry-failed", cwd=tmp_path)
    assert f"3 pruned, {FEW} already done, 2 failed" in mended.out
    assert len(open_store(tmp_path / "store")) == FEW + 3


def test_kill_9_at_any_moment_loses_nothing_that_is_finished(
    clips: Path, tmp_path: Path, undisturbed: Store
) -> None:
    moments = random.Random(6)
    kills = 0
    while kills < ROUNDS:
        running = Running("prune", clips, *PRUNE, cwd=tmp_path, before=small_shards)
        wait_until(partial(has_begun, running))
        time.sleep(moments.uniform(0, 0.3))
        running.send(signal.SIGKILL)
        pid = running.process.pid
        assert pid is not None
        killed = running.wait()
        wait_until(partial(no_decoder_left, pid))
        if killed.code == 0:  # it was quicker
            assert_same(open_store(tmp_path / "store"), undisturbed)
            shutil.rmtree(tmp_path / "store")
            continue
        kills += 1
        store = open_store(tmp_path / "store")
        assert set(store) <= set(undisturbed)
        assert [p for p in verify(store) if "in no manifest" not in p.message] == []
    assert run_evs("prune", clips, *PRUNE, cwd=tmp_path, before=small_shards).code == 0
    assert_same(open_store(tmp_path / "store"), undisturbed)


def test_a_kill_of_a_run_that_encodes_videos_together_loses_none(
    clips: Path, tmp_path: Path, undisturbed: Store
) -> None:
    arguments = ("prune", clips, *PRUNE, "--workers", "2", "--chunk-patches", "65536")
    running = Running(*arguments, cwd=tmp_path, before=small_shards)
    wait_until(partial(has_begun, running))
    pid = running.process.pid
    assert pid is not None
    running.send(signal.SIGKILL)
    running.wait()
    wait_until(partial(no_decoder_left, pid))
    result = run_evs(*arguments, cwd=tmp_path, before=small_shards)
    assert result.code == 0, result
    store = open_store(tmp_path / "store")
    assert list(store) == list(undisturbed)
    assert all(store[name].info.kept == undisturbed[name].info.kept for name in store)


def test_ctrl_c_keeps_what_is_finished_and_a_second_one_stops_at_once(
    clips: Path, tmp_path: Path, undisturbed: Store
) -> None:
    for presses in (1, 2):
        running = Running("prune", clips, *PRUNE, cwd=tmp_path, before=small_shards)
        wait_until(partial(has_begun, running))
        for _ in range(presses):
            running.send(signal.SIGINT)
            time.sleep(0.005)
        result = running.wait()
        assert result.code == 130, result
        assert "interrupted" in result.err
        assert "Traceback" not in result.err
        said = [line.split(":")[0] for line in result.out.splitlines() if "->" in line]
        if presses == 1:
            assert set(said) <= set(open_store(tmp_path / "store"))
    assert run_evs("prune", clips, *PRUNE, cwd=tmp_path, before=small_shards).code == 0
    assert_same(open_store(tmp_path / "store"), undisturbed)


def test_a_decoder_killed_from_outside_costs_one_video(clips: Path, tmp_path: Path) -> None:
    running = Running("prune", clips, *PRUNE, "--processes", "1", cwd=tmp_path)
    wait_until(partial(has_begun, running))
    children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children")
    for pid in children.read_text().split():
        os.kill(int(pid), signal.SIGKILL)
    result = running.wait()
    store = open_store(tmp_path / "store")
    assert len(store) + len(store.failures) == CLIPS
    assert len(store.failures) <= 1
    assert result.code == (3 if store.failures else 0)
    assert run_evs("prune", clips, *PRUNE, "--retry-failed", cwd=tmp_path).code == 0


def children_of(pid: int | None) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def test_a_worker_killed_under_the_run_is_replaced_and_nothing_is_lost(
    clips: Path, tmp_path: Path, undisturbed: Store
) -> None:
    running = Running("prune", clips, *PRUNE, "--workers", "2", cwd=tmp_path, before=small_shards)
    wait_until(partial(has_begun, running))
    os.kill(children_of(running.process.pid)[0], signal.SIGKILL)
    result = running.wait()
    assert result.code == 0, result
    assert "died (SIGKILL); another one goes on with its videos" in result.err
    assert_same(open_store(tmp_path / "store"), undisturbed)


def test_what_a_killed_run_of_more_workers_left_is_taken_over(
    clips: Path, tmp_path: Path, undisturbed: Store
) -> None:
    store = tmp_path / "store"
    running = Running("prune", clips, *PRUNE, "--workers", "3", cwd=tmp_path)
    # One file may be half written, and is dropped then; with two, one is whole.
    wait_until(lambda: any(len([*one.glob("*.safetensors")]) > 1 for one in store.glob(PARTS)))
    pid = running.process.pid
    assert pid is not None
    running.send(signal.SIGKILL)
    running.wait()
    wait_until(partial(no_decoder_left, pid))
    result = run_evs("prune", clips, *PRUNE, cwd=tmp_path)
    assert result.code == 0, result
    assert_same(open_store(store), undisturbed)
    assert [*store.glob("shard-[12]-*")]
    assert not [*store.glob(".writer-*")]


def test_the_shares_of_a_job_array_make_one_store_between_them(
    clips: Path, tmp_path: Path, undisturbed: Store
) -> None:
    array = {"SLURM_ARRAY_TASK_COUNT": "2", "SLURM_ARRAY_TASK_MIN": "1"}
    arguments = ("prune", clips, *PRUNE, "--shard-of")
    runs = [
        Running(*arguments, "slurm", cwd=tmp_path, env={**array, "SLURM_ARRAY_TASK_ID": str(task)})
        for task in (1, 2)
    ]
    for run in runs:
        result = run.wait()
        assert result.code == 0, result
    assert_same(open_store(tmp_path / "store"), undisturbed)
    again = run_evs(*arguments, "0/2", cwd=tmp_path)
    assert re.search(r"0 pruned, \d+ already done", again.out)


def test_a_video_that_kills_its_worker_fails_and_the_rest_go_on(
    clips: Path, tmp_path: Path
) -> None:
    folder = copy_few(clips, tmp_path / "in")
    shutil.copy(folder / "00.mp4", folder / "fatal.mp4")
    arguments = ("prune", folder, *PRUNE, "--workers", "2")
    result = run_evs(*arguments, cwd=tmp_path, before=install)
    assert result.code == 3, result
    store = open_store(tmp_path / "store")
    assert len(store) == FEW
    (failure,) = store.failures.values()
    assert (failure.id, failure.stage, failure.kind) == ("fatal", "encode", "Crashed")
    assert "2 workers died while they were at it" in failure.message


def test_a_video_that_breaks_the_device_of_its_workers_fails_and_the_rest_go_on(
    clips: Path, tmp_path: Path, undisturbed: Store
) -> None:
    folder = copy_few(clips, tmp_path / "in")
    shutil.copy(folder / "00.mp4", folder / "lost.mp4")
    arguments = ("prune", folder, *PRUNE, "--workers", "2")
    result = run_evs(*arguments, cwd=tmp_path, before=install)
    assert result.code == 3, result
    store = open_store(tmp_path / "store")
    assert len(store) == FEW
    assert all(store[name].info == undisturbed[name].info for name in store)
    (failure,) = store.failures.values()
    assert (failure.id, failure.stage, failure.kind) == ("lost", "encode", "Crashed")
    why = "its device failed: CUDA error: an illegal memory access was encountered"
    assert result.err.count(f"died ({why}); another one goes on with its videos") == 2
    assert "Traceback" not in result.err


def test_a_device_that_is_lost_ends_a_run_in_one_process_and_the_next_goes_on_behind_it(
    clips: Path, tmp_path: Path
) -> None:
    folder = copy_few(clips, tmp_path / "in")
    shutil.copy(folder / "00.mp4", folder / "lost.mp4")
    for number in (4, 5):
        shutil.copy(folder / "00.mp4", folder / f"z{number}.mp4")
    result = run_evs("prune", folder, *PRUNE, cwd=tmp_path, before=install)
    assert result.code == 1, result
    line = result.err.strip().splitlines()[-1]
    assert re.fullmatch(
        r"error: .*lost\.mp4: the device failed \(CUDA error: .*run the same.*", line
    )
    store = open_store(tmp_path / "store")
    assert len(store) == FEW
    assert store.failures["lost"].kind == "DeviceLostError"
    again = run_evs("prune", folder, *PRUNE, cwd=tmp_path, before=install)
    assert again.code == 3, again
    assert len(open_store(tmp_path / "store")) == FEW + 2
    assert [*verify(open_store(tmp_path / "store"))] == []


@pytest.mark.parametrize("more", [(), ("--workers", "2")])
def test_videos_are_encoded_a_few_frames_at_a_time_where_memory_lacks(
    clips: Path, tmp_path: Path, more: tuple[str, ...], undisturbed: Store
) -> None:
    folder = copy_few(clips, tmp_path / "in")
    result = run_evs("prune", folder, *PRUNE, *more, cwd=tmp_path, before=little_memory)
    assert result.code == 0, result
    store = open_store(tmp_path / "store")
    assert len(store) == FEW
    for name in store:
        assert "Memory sufficed for 2 frames at a time" in store[name].info.notes[0]
        assert torch.equal(store[name].keep_mask, undisturbed[name].keep_mask)


@pytest.mark.parametrize("more", [(), ("--workers", "2")])
def test_a_model_that_does_not_fit_its_device_is_one_line(
    clips: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    result = run_evs("prune", clips, *PRUNE, *more, cwd=tmp_path, before=no_memory)
    assert result.code == 1, result
    assert result.err.strip().splitlines()[-1] == (
        "error: cpu has too little memory for the vision tower of mini: free some, name another "
        "--device, start fewer --workers, or use --device cpu"
    )


def test_several_workers_remark_once_that_a_store_was_begun_on_another_device(
    clips: Path, tmp_path: Path
) -> None:
    folder = copy_few(clips, tmp_path / "in")
    (folder / "00.mp4").rename(tmp_path / "later.mp4")
    arguments = ("prune", folder, *PRUNE, "--workers", "2")
    assert run_evs(*arguments, cwd=tmp_path).code == 0
    path = tmp_path / "store" / "run.json"
    run = json.loads(path.read_text())
    run["provenance"]["device_name"] = "Another CPU"
    path.write_text(json.dumps(run))
    (tmp_path / "later.mp4").rename(folder / "later.mp4")
    result = run_evs(*arguments, cwd=tmp_path)
    assert result.code == 0, result
    assert result.err.count("store was begun on cpu (Another CPU) and goes on on cpu (") == 1


def test_several_workers_keep_what_is_finished_on_ctrl_c_and_make_the_same_store(
    clips: Path, tmp_path: Path, undisturbed: Store
) -> None:
    arguments = ("prune", clips, *PRUNE, "--workers", "2")
    running = Running(*arguments, cwd=tmp_path, before=small_shards)
    wait_until(partial(has_begun, running))
    running.send(signal.SIGINT)
    result = running.wait()
    assert result.code == 130, result
    assert "Traceback" not in result.err
    said = [line.split(":")[0] for line in result.out.splitlines() if "->" in line]
    finished = set(open_store(tmp_path / "store"))
    assert set(said) <= finished
    again = run_evs(*arguments, cwd=tmp_path, before=small_shards)
    assert again.code == 0, again
    assert f"{CLIPS - len(finished)} pruned" in again.out
    assert_same(open_store(tmp_path / "store"), undisturbed)
    assert len([*(tmp_path / "store").glob("manifest-*")]) == 2


def test_an_output_folder_removed_under_the_run_ends_it_with_one_line(
    clips: Path, tmp_path: Path, undisturbed: Store
) -> None:
    running = Running("prune", clips, *PRUNE, cwd=tmp_path)
    wait_until(partial(has_begun, running))
    # A rename takes all of it at once: a removal that goes file by file may meet one just written.
    (tmp_path / "store").rename(tmp_path / "gone")
    result = running.wait()
    assert result.code == 1, result
    assert "removed while it was written to: run the same command again" in result.error
    assert run_evs("prune", clips, *PRUNE, cwd=tmp_path).code == 0
    assert list(open_store(tmp_path / "store")) == list(undisturbed)


def test_every_input_is_in_a_manifest_or_in_failures_exactly_once(
    clips: Path, tmp_path: Path
) -> None:
    folder = copy_few(clips, tmp_path / "in")
    (folder / "empty.mp4").touch()
    shutil.copy(folder / "00.mp4", folder / "segfault.mp4")
    arguments = ("prune", folder, *PRUNE, "--max-attempts", "3", "--json")
    result = run_evs(*arguments, cwd=tmp_path, before=install)
    events = [json.loads(line) for line in result.out.splitlines()]
    tries = [event for event in events if event["event"] == "failed"]
    assert [(e["id"], e["attempt"], e["again"]) for e in tries] == [
        (name, attempt, attempt < 3) for attempt in (1, 2, 3) for name in ("empty", "segfault")
    ]
    store = open_store(tmp_path / "store")
    assert sorted([*store, *store.failures]) == sorted(path.stem for path in folder.iterdir())
    assert events[-1]["pruned"] == FEW
    assert events[-1]["failed"] == 2


def test_a_file_that_may_not_be_read_fails_alone(clips: Path, tmp_path: Path) -> None:
    folder = copy_few(clips, tmp_path / "in")
    (folder / "02.mp4").chmod(0)
    result = run_evs("prune", folder, *PRUNE, cwd=tmp_path, before=obey_permissions)
    assert result.code == 3, result
    assert "02.mp4: Permission denied; check the file and its permissions" in result.error
    (failure,) = open_store(tmp_path / "store").failures.values()
    assert (failure.stage, failure.kind) == ("open", "PermissionError")
    (folder / "02.mp4").chmod(0o644)
    again = run_evs("prune", folder, *PRUNE, "--retry-failed", cwd=tmp_path)
    assert again.code == 0, again
    assert len(open_store(tmp_path / "store")) == FEW


def test_segments_survive_a_kill_and_are_the_same_with_several_workers(
    clips: Path, tmp_path: Path
) -> None:
    segment = ("--segment", "0.25")
    some = [clips / f"{number:02}.mp4" for number in range(CLIPS // 3)]
    undisturbed = ("prune", *some, *PRUNE[:-1], "undisturbed", *segment)
    assert run_evs(*undisturbed, cwd=tmp_path).code == 0
    expected = open_store(tmp_path / "undisturbed")
    assert len(expected) == CLIPS  # 16 frames at 24 a second: 6, 6 and 4
    arguments = ("prune", *some, *PRUNE, *segment, "--workers", "2")
    running = Running(*arguments, cwd=tmp_path, before=small_shards)
    wait_until(partial(has_begun, running))
    pid = running.process.pid or 0
    running.send(signal.SIGKILL)
    running.wait()
    wait_until(partial(no_decoder_left, pid))
    result = run_evs(*arguments, cwd=tmp_path)
    assert result.code == 0, result
    assert_same(open_store(tmp_path / "store"), expected)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_disk_that_fills_up_under_the_run_costs_nothing_that_is_finished(
    clips: Path, tmp_path: Path, undisturbed: Store, workers: str
) -> None:
    with mounted(tmp_path / "disk", kilobytes=4096) as disk:
        fill(disk / "ballast", leave=450_000)
        arguments = ("prune", clips, *PRUNE[:-1], disk / "store", "--workers", workers)
        result = run_evs(*arguments, cwd=tmp_path, before=small_shards)
        assert result.code == 1, result
        assert "no space left" in result.error
        assert "Traceback" not in result.err
        assert 0 < len(open_store(disk / "store")) < CLIPS
        (disk / "ballast").unlink()
        assert run_evs(*arguments, cwd=tmp_path, before=small_shards).code == 0
        assert_same(open_store(disk / "store"), undisturbed)
