from __future__ import annotations

import errno
import json
import os
import random
import resource
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evscli.errors import DamagedError, StoreBusyError, StoreError
from evscli.records import PrunedVideo
from evscli.store import StoreMerge, StoreWriter, open_store, rebuild_manifest, verify
from evscli.store import merge as merge_module
from evscli.store.manifest import read_manifest
from evscli.store.schema import list_shards
from evscli.store.shard import Shard, digest, write_shard
from evscli.store.shard_header import read_header
from tests.store.file_events import arm, interrupt, kill
from tests.store.folders import Held, held, in_memory, opened
from tests.store.processes import start
from tests.store.samples import CONFIG, failure, record
from tests.store.test_writer import same

IDS = [f"v{number}" for number in range(8)]


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """No disk: every test here syncs hundreds of files."""
    with in_memory(tmp_path) as folder:
        yield folder


def merge(folder: Path, **limits: int) -> list[str]:
    with StoreMerge(folder, **limits) as work:
        return [path.name for path in work.run()]


def scatter(folder: Path, ids: list[str] = IDS, *, writers: int = 3) -> None:
    """A store as a job array leaves it: shards of one or two videos by several writers."""
    for writer in range(writers):
        with StoreWriter(folder, CONFIG, writer=writer, shard_videos=2) as store:
            for video_id in ids[writer::writers]:
                store.add(record(video_id))


def write_and_die(folder: Path, writer: int, ids: list[str]) -> None:
    store = StoreWriter(folder, CONFIG, writer=writer).__enter__()
    for video_id in ids:
        store.add(record(video_id))
    kill()


@cache
def expected(video_id: str) -> PrunedVideo:
    """What readers must find of a video."""
    return record(video_id)


def hold(folder: Path, ids: list[str]) -> dict[str, int]:
    """How often the shards of a store hold each id, and that readers find each as it was."""
    store = open_store(folder)
    assert list(store) == sorted(ids)
    assert all(same(store[video_id], expected(video_id)) for video_id in ids)
    headers = [video_id for path in list_shards(folder) for video_id in read_header(path).videos]
    return {video_id: headers.count(video_id) for video_id in ids}


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_small_shards_of_many_writers_become_one(tmp_path: Path) -> None:
    scatter(tmp_path)
    with StoreWriter(tmp_path, CONFIG, writer=1) as writer:
        writer.fail(failure())
    before = open_store(tmp_path)
    digests = {key: entry.sha256 for key, entry in before.entries().finished.items()}
    order = [video_id for path in list_shards(tmp_path) for video_id in read_header(path).videos]
    assert merge(tmp_path) == ["shard-2-00001.safetensors"]
    assert set(hold(tmp_path, IDS).values()) == {1}
    store = open_store(tmp_path)
    assert {key: entry.sha256 for key, entry in store.entries().finished.items()} == digests
    assert by_offset(tmp_path / "shard-2-00001.safetensors") == order
    assert list(verify(store)) == []
    assert store.run == CONFIG
    assert set(store.failures) == {"broken"}
    lines = [line.id for line in read_manifest(tmp_path / "manifest-2.jsonl")]
    assert lines == IDS


def by_offset(path: Path) -> list[str]:
    """The videos of a shard in the order of their embeds."""
    raw = path.read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    keys = [key for key in header if key.endswith("/embeds")]
    return [
        key.rpartition("/")[0] for key in sorted(keys, key=lambda key: header[key]["data_offsets"])
    ]


def test_full_shards_stay_and_the_rest_is_packed_within_the_limits(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, CONFIG, shard_videos=4) as writer:
        for video_id in IDS[:4]:
            writer.add(record(video_id))
    full = tmp_path / "shard-0-00000.safetensors"
    inode = full.stat().st_ino
    for number, video_id in enumerate(IDS[4:]):
        with StoreWriter(tmp_path, CONFIG, writer=number) as writer:
            writer.add(record(video_id))
    merge(tmp_path, shard_videos=4)
    assert full.stat().st_ino == inode
    assert [len(read_header(path).videos) for path in list_shards(tmp_path)] == [4, 4]
    assert set(hold(tmp_path, IDS).values()) == {1}


def test_with_nothing_to_merge_every_file_stays_as_it_is(tmp_path: Path) -> None:
    scatter(tmp_path)
    merge(tmp_path, shard_videos=4)
    before = snapshot(tmp_path)
    assert merge(tmp_path, shard_videos=4) == []
    assert snapshot(tmp_path) == before


def test_a_store_with_nothing_finished_has_nothing_to_merge(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, CONFIG):
        pass
    before = snapshot(tmp_path)
    assert merge(tmp_path) == []
    assert snapshot(tmp_path) == before


def test_what_is_no_store_says_so(tmp_path: Path) -> None:
    scatter(tmp_path / "store")
    shard = tmp_path / "store" / "shard-0-00000.safetensors"
    for path, reason in (
        (tmp_path, "holds 1 stores, name one of them: store"),
        (tmp_path / "no", "does not exist"),
        (shard, "is a file: name the folder of a store"),
    ):
        with pytest.raises(StoreError, match=reason):
            merge(path)


@pytest.mark.slow
def test_videos_that_killed_runs_left_without_a_shard_are_taken_up(tmp_path: Path) -> None:
    scatter(tmp_path, IDS[:4])
    start(write_and_die, tmp_path, 1, IDS[4:6]).join()
    start(write_and_die, tmp_path, 7, [*IDS[5:], IDS[0]]).join()  # others have 0 and 5 as well
    (tmp_path / ".writer-7" / "half").write_bytes(b"torn")
    with StoreMerge(tmp_path) as work:
        assert work.waiting == 4
        list(work.run())
    assert set(hold(tmp_path, IDS).values()) == {1}
    assert not list(tmp_path.glob(".writer*"))
    assert not list(tmp_path.glob("*.lock"))
    with StoreWriter(tmp_path, CONFIG, writer=7) as writer:
        assert set(writer.finished) == set(IDS)


def test_a_number_that_a_writer_has_used_is_not_used_again(tmp_path: Path) -> None:
    scatter(tmp_path)
    used = {path.name for path in list_shards(tmp_path)}
    for _ in range(2):
        merge(tmp_path)
        used |= {path.name for path in list_shards(tmp_path)}
    for writer in range(3):
        with StoreWriter(tmp_path, CONFIG, writer=writer) as store:
            store.add(record(f"new {writer}"))
            store.flush()
            assert not used & {open_store(tmp_path).shard_name(f"new {writer}")}


def two_copies(folder: Path) -> tuple[PrunedVideo, PrunedVideo]:
    """Writer 3 holds v0 and v1, and writer 5 another v0, whose line counts."""
    old, new = record("v0"), replace(record("v0"), embeds=record("v0").embeds + 1)
    for writer, first in ((3, old), (5, new)):
        part = folder.with_name(f"part-{writer}")
        with StoreWriter(part, CONFIG, writer=writer) as store:
            store.add(first)
            if writer == 3:
                store.add(record("v1"))
        shutil.copytree(part, folder, dirs_exist_ok=True)
    return old, new


@pytest.mark.parametrize("shard_bytes", [1, 1 << 20])
def test_the_copy_that_counts_is_kept_and_the_other_dropped(
    tmp_path: Path, shard_bytes: int
) -> None:
    _, new = two_copies(tmp_path / "store")
    assert same(open_store(tmp_path / "store")["v0"], new)
    merge(tmp_path / "store", shard_bytes=shard_bytes)
    store = open_store(tmp_path / "store")
    held = [key for path in list_shards(store.folder) for key in read_header(path).videos]
    assert sorted(held) == ["v0", "v1"]
    assert same(store["v0"], new)
    assert same(store["v1"], record("v1"))
    assert list(verify(store)) == []


def test_a_shard_of_copies_alone_is_removed(tmp_path: Path) -> None:
    scatter(tmp_path / "one", IDS[:2], writers=1)
    shutil.copytree(tmp_path / "one", tmp_path / "store")
    shard = "shard-{}-00000.safetensors"
    shutil.copy(tmp_path / "one" / shard.format(0), tmp_path / "store" / shard.format(4))
    assert rebuild_manifest(tmp_path / "store") == 2
    assert merge(tmp_path / "store", shard_videos=2) == []
    assert [path.name for path in list_shards(tmp_path / "store")] == [shard.format(4)]
    assert set(hold(tmp_path / "store", IDS[:2]).values()) == {1}


def test_a_live_writer_is_named_and_nothing_changes(tmp_path: Path) -> None:
    scatter(tmp_path)
    with StoreWriter(tmp_path, CONFIG, writer=1) as writer:
        writer.add(record("new"))
        before = sorted(path.name for path in tmp_path.rglob("*"))
        with pytest.raises(StoreBusyError, match=rf"process {os.getpid()} on .* \(writer-1\)"):
            merge(tmp_path)
        assert sorted(path.name for path in tmp_path.rglob("*")) == before
    assert set(hold(tmp_path, [*IDS, "new"]).values()) == {1}


def come(folder: Path, stack: ExitStack) -> None:
    """A writer of a new number, with one video in a shard and one that waits."""
    writer = stack.enter_context(StoreWriter(folder, CONFIG, writer=9))
    assert set(writer.finished) == set(IDS)
    writer.add(record("early"))
    writer.flush()
    writer.add(record("late"))


@pytest.mark.slow
def test_a_writer_of_a_new_number_may_come_at_any_moment(tmp_path: Path) -> None:
    scatter(tmp_path / "store")
    busy, looked_into = 0, set[Held]()
    for countdown in range(1000):
        folder = tmp_path / str(countdown)
        shutil.copytree(tmp_path / "store", folder)
        with ExitStack() as stack:
            events = arm(countdown, partial(come, folder, stack))
            try:
                merge(folder)
            except StoreBusyError:
                busy += 1
            reached, events.left = events.left < 0, -1
        assert reached == (folder / "shard-9-00000.safetensors").exists(), "a live writer's"
        if (left := held(folder)) not in looked_into:
            assert set(hold(folder, [*IDS, *["early", "late"] * reached]).values()) == {1}
            assert list(verify(open_store(folder))) == []
            looked_into.add(left)
        if not reached:
            break
    assert 0 < busy < countdown


def test_more_writers_than_files_may_be_open_at_first(tmp_path: Path) -> None:
    scatter(tmp_path)
    for number in range(60):
        (tmp_path / f"writer-{number}.lock").touch()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 30, limits[1]))
    try:
        merge(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert set(hold(tmp_path, IDS).values()) == {1}
    assert not list(tmp_path.glob("*.lock"))


def test_an_open_store_goes_on_reading(tmp_path: Path) -> None:
    scatter(tmp_path)
    store, other = open_store(tmp_path), open_store(tmp_path)
    assert same(store["v0"], record("v0"))
    merge(tmp_path)
    assert all(same(store[video_id], record(video_id)) for video_id in IDS)
    assert other.info("v3") == record("v3").info
    with pytest.raises(StoreError, match="has no video 'v9'"):
        store["v9"]


def test_a_damaged_video_is_named_and_every_file_stays(tmp_path: Path) -> None:
    scatter(tmp_path)
    path = tmp_path / "shard-1-00000.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    before = snapshot(tmp_path)
    with pytest.raises(DamagedError, match=r"shard-1-00000.* is damaged \(video '.*delete this"):
        merge(tmp_path)
    assert snapshot(tmp_path) == before


def test_a_video_that_only_the_manifest_knows_stops_the_merge(tmp_path: Path) -> None:
    scatter(tmp_path)
    manifest = tmp_path / "manifest-0.jsonl"
    manifest.write_text(manifest.read_text().replace('"id":"v0"', '"id":"w"'))
    before = snapshot(tmp_path)
    with pytest.raises(DamagedError, match="it lacks videos that the manifest says it holds"):
        merge(tmp_path)
    assert snapshot(tmp_path) == before


def test_what_was_lost_stays_known(tmp_path: Path) -> None:
    scatter(tmp_path)
    (tmp_path / "shard-1-00000.safetensors").unlink()
    lost = dict(open_store(tmp_path).catalogue.lost)
    assert set(lost) == {"v1", "v4"}
    merge(tmp_path)
    assert open_store(tmp_path).catalogue.lost == lost


def test_lines_that_a_kill_prevented_are_written_even_if_nothing_is_merged(tmp_path: Path) -> None:
    scatter(tmp_path, IDS[:2], writers=1)
    (tmp_path / "manifest-0.jsonl").unlink()
    assert merge(tmp_path, shard_videos=2) == []
    assert [line.id for line in read_manifest(tmp_path / "manifest-0.jsonl")] == IDS[:2]


def test_keys_and_tensors_of_later_releases_go_along(tmp_path: Path) -> None:
    scatter(tmp_path, IDS[:2], writers=2)
    shard = Shard(tmp_path / "shard-0-00000.safetensors")
    part = shard.part("v0")
    tensors = {**part.tensors, "novel": torch.arange(3)}
    description = {**part.description, "sha256": digest(tensors), "new": {"b": [1.5]}}
    shard.path.unlink()
    (tmp_path / "manifest-0.jsonl").unlink()
    write_shard(
        shard.path,
        shard.header.fingerprint,
        [replace(part, description=description, tensors=tensors)],
    )
    (new,) = merge(tmp_path)
    merged = Shard(tmp_path / new)
    assert merged.header.videos["v0"] == description
    assert torch.equal(merged.tensors("v0")["novel"], torch.arange(3))


@settings(deadline=None, max_examples=10)
@given(data=st.data())
def test_every_digest_is_kept_whatever_the_shards(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("merge") / "store"
    numbers = iter(range(100))
    for _ in range(data.draw(st.integers(1, 5))):
        writer = data.draw(st.integers(0, 3))
        with StoreWriter(folder, CONFIG, writer=writer, shard_videos=3) as store:
            for _ in range(data.draw(st.integers(0, 5))):
                store.add(record(f"v{next(numbers)}", grid=(1, 1, 2)))
    before = {key: entry.sha256 for key, entry in open_store(folder).entries().finished.items()}
    limit = data.draw(st.integers(1, 8))
    merge(folder, shard_videos=limit)
    store = open_store(folder)
    assert {key: entry.sha256 for key, entry in store.entries().finished.items()} == before
    assert list(verify(store)) == []
    counts = [len(read_header(path).videos) for path in list_shards(folder)]
    assert max(counts, default=0) <= max(limit, 3)
    assert merge(folder, shard_videos=limit) == []


# What a kill, an interrupt or a full disk leaves


def prepare(folder: Path) -> None:
    """Small shards, a video that waits, lines that are missing, and a copy that does not count."""
    scatter(folder, IDS[:6])
    start(write_and_die, folder, 1, IDS[6:]).join()
    shutil.copy(folder / "shard-0-00000.safetensors", folder / "shard-2-00007.safetensors")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared") / "store"
    prepare(folder)
    return folder


@pytest.fixture(scope="module")
def images(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Path]]:
    """All that a kill can leave at the moments of a merge when it touches a file."""
    with in_memory(tmp_path_factory.mktemp("images")) as folder:
        yield left_by_kills(prepared, folder)


def left_by_kills(prepared: Path, folder: Path) -> list[Path]:
    """Copies of a store, in `folder`, as a merge of it leaves them at its moments."""
    found, moments = dict[Held, Path](), list[int]()
    shutil.copytree(prepared, folder / "store")

    def take() -> None:
        moments.append(len(moments))
        if (left := held(folder / "store")) not in found:
            found[left] = shutil.copytree(folder / "store", folder / str(len(found)))
        events.left = 0

    events = arm(0, take)
    try:
        merge(folder / "store", shard_videos=3)
    finally:
        events.left = -1
    assert len(moments) > 50
    assert len(found) > 20
    return list(found.values())


@pytest.fixture(scope="module")
def merged() -> set[Held]:
    """What merges have left so far that was looked into."""
    return set()


def assert_recovers(folder: Path, merged: set[Held]) -> None:
    """Readers miss nothing; the next merge ends well and leaves no trace."""
    store = open_store(folder)
    copies = hold(folder, list(store))
    assert set(copies) >= set(IDS[:6])
    assert set(copies.values()) <= {1, 2}
    unlisted = {f"{len(v)} of the videos of {k} are" for k, v in store.catalogue.unlisted.items()}
    assert {problem.message.partition(" in no")[0] for problem in verify(store)} == unlisted
    merge(folder, shard_videos=3)
    if held(folder) in merged:
        return
    merged.add(held(folder))
    assert set(hold(folder, IDS).values()) == {1}
    assert list(verify(open_store(folder))) == []
    left = {path.name.split("-")[0] for path in folder.iterdir()}
    assert left == {"run.json", "manifest", "shard"}
    before = snapshot(folder)
    assert merge(folder, shard_videos=3) == []
    assert snapshot(folder) == before


@pytest.mark.slow
def test_a_kill_anywhere_loses_nothing(
    images: list[Path], merged: set[Held], tmp_path: Path
) -> None:
    for number, image in enumerate(images):
        shutil.copytree(image, tmp_path / str(number))
        assert_recovers(tmp_path / str(number), merged)


@pytest.mark.slow
def test_the_run_after_a_killed_merge_finds_everything(images: list[Path]) -> None:
    for folder in images:
        for writer in (0, 1, 2):
            with StoreWriter(folder, CONFIG, writer=writer) as store:
                assert set(store.finished) >= set(IDS[:6])
        assert set(hold(folder, IDS)) == set(IDS)
        assert list(verify(open_store(folder))) == []


@pytest.mark.slow
def test_an_interrupt_anywhere_loses_nothing(
    tmp_path: Path, prepared: Path, merged: set[Held]
) -> None:
    seen = set[Held]()
    for countdown in range(1000):
        folder = tmp_path / str(countdown)
        shutil.copytree(prepared, folder)
        events = arm(countdown, interrupt)
        try:
            merge(folder, shard_videos=3)
        except KeyboardInterrupt:
            pass
        finally:
            reached, events.left = events.left < 0, -1
        assert opened(folder) == []
        if (left := held(folder)) not in seen:
            seen.add(left)
            assert_recovers(folder, merged)
        if not reached:
            return
    raise AssertionError("the merge never ended")


@pytest.mark.slow
def test_a_reader_finds_every_video_at_every_moment(tmp_path: Path, prepared: Path) -> None:
    folder, looks = tmp_path / "store", list[int]()
    shutil.copytree(prepared, folder)

    def look() -> None:
        looks.append(len(open_store(folder)))
        assert set(hold(folder, IDS[: looks[-1]]).values()) <= {1, 2}
        events.left = 0

    events = arm(0, look)
    try:
        merge(folder, shard_videos=3)
    finally:
        events.left = -1
    assert looks == sorted(looks)
    assert set(looks) == {6, 8}


def test_a_merge_between_any_two_steps_of_a_reader_hides_nothing(
    tmp_path: Path, prepared: Path
) -> None:
    for countdown in range(1000):
        folder = tmp_path / str(countdown)
        shutil.copytree(prepared, folder)
        events = arm(countdown, partial(merge, folder, shard_videos=3))
        store = open_store(folder)
        reached, events.left = events.left < 0, -1
        assert set(store) >= set(IDS[:6])
        assert all(same(store[video_id], record(video_id)) for video_id in store)
        if not reached:
            break
    assert countdown > 5


def test_a_merge_between_any_two_steps_of_a_new_writer_hides_nothing(
    tmp_path: Path, prepared: Path
) -> None:
    def merge_unless_busy(folder: Path) -> None:
        with suppress(StoreBusyError):
            merge(folder, shard_videos=3)

    for countdown in range(1000):
        folder = tmp_path / str(countdown)
        shutil.copytree(prepared, folder)
        events = arm(countdown, partial(merge_unless_busy, folder))
        with StoreWriter(folder, CONFIG, writer=9) as writer:
            reached, events.left = events.left < 0, -1
            assert set(writer.finished) >= set(IDS[:6])
            writer.add(record("new"))
        assert set(open_store(folder)) >= {*IDS[:6], "new"}
        if not reached:
            break
    assert countdown > 5


def merge_again_and_again(folder: Path) -> None:
    for videos in (2, 4, 8, 3, 100):
        merge(folder, shard_videos=videos)


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing(tmp_path: Path) -> None:
    ids, moments = [f"v{number:02d}" for number in range(40)], random.Random(0)
    scatter(tmp_path / "store", ids, writers=7)
    for number in range(4):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "store", folder)
        child = start(merge_again_and_again, folder)
        time.sleep(moments.uniform(0.02, 0.25))
        child.kill()
        child.join()
        assert set(hold(folder, ids).values()) <= {1, 2}
        merge(folder)
        assert set(hold(folder, ids).values()) == {1}
        assert len(list_shards(folder)) == 1
        assert list(verify(open_store(folder))) == []


def test_a_full_disk_keeps_every_video_and_the_next_merge_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scatter(tmp_path / "store")
    written = 0

    def write_once(*arguments: Any) -> None:
        nonlocal written
        written += 1
        if written > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_shard(*arguments)

    monkeypatch.setattr(merge_module, "write_shard", write_once)
    with pytest.raises(StoreError) as caught:
        merge(tmp_path / "store", shard_videos=5)
    assert str(caught.value) == (
        f"no space left for {tmp_path / 'store'} (No space left on device): every video is kept; "
        "free some space and run evs merge again, which goes on from there"
    )
    assert set(hold(tmp_path / "store", IDS).values()) == {1}
    monkeypatch.undo()
    merge(tmp_path / "store", shard_videos=5)
    assert len(list_shards(tmp_path / "store")) == 2
