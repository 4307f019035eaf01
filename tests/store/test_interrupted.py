"""Kills and interrupts at every point where a run touches a file."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evscli.store import StoreWriter, durable, open_store, verify
from evscli.store.manifest import read_manifest
from evscli.store.schema import list_shards
from evscli.store.shard_header import read_header
from tests.store.file_events import arm, interrupt, kill
from tests.store.folders import Held, held, in_memory, opened
from tests.store.processes import start
from tests.store.samples import CONFIG, failure, record
from tests.store.test_writer import same

IDS = [f"v{i}" for i in range(5)]
Left = tuple[Held, *tuple[str, ...]]


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """No disk: every test here syncs hundreds of files."""
    with in_memory(tmp_path) as folder:
        yield folder


def write_all(folder: Path, ids: list[str], added: list[str] | Path) -> None:
    """Add what is missing; name each video after `add` has returned."""
    with StoreWriter(folder, CONFIG, shard_videos=3) as writer:
        for video_id in ids:
            if video_id not in writer.finished:
                writer.add(record(video_id))
            if isinstance(added, list):
                added.append(video_id)
            else:
                with added.open("a") as file:
                    file.write(f"{video_id}\n")
        writer.fail(failure())


def write_and_die(folder: Path, countdown: int, added: Path) -> None:
    arm(countdown, kill)
    write_all(folder, IDS, added)


def assert_sound(folder: Path, added: list[str]) -> None:
    """After a kill: nothing half-written is visible, and nothing that was added is lost."""
    for path in folder.glob("manifest-*.jsonl"):
        list(read_manifest(path))
    held = [video_id for path in list_shards(folder) for video_id in read_header(path).videos]
    assert len(held) == len(set(held)), "a video is in two shards"
    with StoreWriter(folder, CONFIG) as writer:
        assert set(added) <= set(writer.finished)
    if list_shards(folder):
        assert list(verify(open_store(folder))) == []


def assert_complete(folder: Path) -> None:
    store = open_store(folder)
    assert list(store) == IDS
    assert all(same(store[video_id], record(video_id)) for video_id in IDS)
    assert list(verify(store)) == []
    lines = read_manifest(folder / "manifest-0.jsonl")
    assert sorted(line.id for line in lines) == IDS
    left = {path.name.split("-")[0] for path in folder.iterdir()}
    assert left == {"run.json", "manifest", "failures", "shard"}


@pytest.fixture(scope="module")
def recovered() -> set[Left]:
    """What runs left so far, and the videos that they had named."""
    return set()


@pytest.mark.parametrize(
    "first", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 3))]
)
def test_an_interrupt_anywhere_loses_nothing(
    tmp_path: Path, first: int, recovered: set[Left]
) -> None:
    for countdown in range(first, 1000, 4):
        folder, added = tmp_path / str(countdown), list[str]()
        folder.mkdir()
        events = arm(countdown, interrupt)
        try:
            write_all(folder, IDS, added)
        except KeyboardInterrupt:
            pass
        finally:
            reached, events.left = events.left < 0, -1
        assert opened(folder) == []
        assert set(added) <= (set(open_store(folder)) if held(folder) else set())
        if (left := (held(folder), *added)) not in recovered:
            recovered.add(left)
            assert_sound(folder, added)
            write_all(folder, IDS, [])
            assert_complete(folder)
        if not reached:
            return
    raise AssertionError("the run never ended")


@pytest.mark.slow
def test_a_kill_anywhere_loses_nothing(tmp_path: Path) -> None:
    for countdown in range(0, 1000, 11):
        folder, added = tmp_path / str(countdown), tmp_path / f"added-{countdown}"
        folder.mkdir()
        child = start(write_and_die, folder, countdown, added)
        child.join()
        assert child.exitcode in (0, -signal.SIGKILL)
        assert_sound(folder, added.read_text().split() if added.exists() else [])
        write_all(folder, IDS, [])
        assert_complete(folder)
        if child.exitcode == 0:
            return
    raise AssertionError("the run never ended")


@pytest.mark.slow
def test_kills_at_random_moments_of_one_run_lose_nothing(tmp_path: Path) -> None:
    folder, added = tmp_path / "store", tmp_path / "added"
    ids = [f"v{i:03d}" for i in range(120)]
    moments = random.Random(0)
    for _ in range(5):
        child = start(write_all, folder, ids, added)
        time.sleep(moments.uniform(0.02, 0.25))
        child.kill()
        child.join()
        if folder.exists():
            assert_sound(folder, added.read_text().split() if added.exists() else [])
    write_all(folder, ids, [])
    store = open_store(folder)
    assert list(store) == ids
    assert all(same(store[video_id], record(video_id)) for video_id in ids)
    lines = read_manifest(folder / "manifest-0.jsonl")
    assert sorted(line.id for line in lines) == ids


def waiting_files(folder: Path) -> list[Path]:
    return sorted((folder / ".writer-0").glob("*"))


def die_with_two_waiting(folder: Path) -> None:
    writer = StoreWriter(folder, CONFIG).__enter__()
    writer.add(record("a"))
    writer.add(record("b"))
    os.kill(os.getpid(), signal.SIGKILL)


def test_videos_that_wait_for_their_shard_outlive_a_kill(tmp_path: Path) -> None:
    start(die_with_two_waiting, tmp_path).join()
    assert len(waiting_files(tmp_path)) == 2
    with StoreWriter(tmp_path, CONFIG) as writer:
        assert set(writer.finished) == {"a", "b"}
        writer.add(record("c"))
    assert all(same(open_store(tmp_path)[name], record(name)) for name in "abc")
    assert len(list_shards(tmp_path)) == 1


@pytest.mark.parametrize(
    "harm",
    [
        "torn",
        "flipped",
        *(pytest.param(harm, marks=pytest.mark.slow) for harm in ("zeroed", "junk")),
    ],
)
def test_a_waiting_video_that_was_not_written_whole_is_made_again(
    tmp_path: Path, harm: str
) -> None:
    start(die_with_two_waiting, tmp_path).join()
    path = waiting_files(tmp_path)[0]
    raw = path.read_bytes()
    spoiled = {
        "torn": raw[:-10],
        "flipped": raw[:-1] + bytes([raw[-1] ^ 1]),
        "zeroed": bytes(len(raw)),
        "junk": b"junk",
    }
    path.write_bytes(spoiled[harm])
    with StoreWriter(tmp_path, CONFIG) as writer:
        assert set(writer.finished) == {"b"}
        writer.add(record("a"))
    assert all(same(open_store(tmp_path)[name], record(name)) for name in "ab")
    assert not (tmp_path / ".writer-0").exists()


@pytest.mark.slow
def test_another_writer_leaves_waiting_videos_alone(tmp_path: Path) -> None:
    start(die_with_two_waiting, tmp_path).join()
    with StoreWriter(tmp_path, CONFIG, writer=1) as writer:
        assert set(writer.finished) == set()
        writer.add(record("a"))
    with StoreWriter(tmp_path, CONFIG) as writer:
        assert set(writer.finished) == {"a", "b"}
    held = [video_id for path in list_shards(tmp_path) for video_id in read_header(path).videos]
    assert sorted(held) == ["a", "b"]


def test_a_run_that_goes_on_after_an_interrupt_spoils_no_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The temporary file may still be a second name of the shard just published."""

    def stop(_: Path) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    with StoreWriter(tmp_path, CONFIG) as writer:
        writer.add(record("a"))
        writer.add(record("b"))
        monkeypatch.setattr(durable, "sync_folder", stop)
        with pytest.raises(KeyboardInterrupt):
            writer.flush()
        writer.add(record("c"))
        writer.add(record("d"))
    assert len(list_shards(tmp_path)) == 2
    assert all(same(open_store(tmp_path)[name], record(name)) for name in "abcd")
