from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evscli.errors import StoreError
from evscli.records import PrunedVideo
from evscli.store import StoreWriter, open_store, staging, verify
from evscli.store.schema import list_shards
from tests.store.samples import CONFIG, record
from tests.store.test_merge import merge
from tests.store.test_writer import same

MIB = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """An empty file system of 2 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"cannot mount a small tmpfs here: {error}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def large(video_id: str) -> PrunedVideo:
    """About 330 kB."""
    return record(video_id, grid=(10, 10, 10), embed_dim=160)


def fill(folder: Path, count: int = 100) -> list[str]:
    added = []
    with StoreWriter(folder, CONFIG) as writer:
        for number in range(count):
            writer.add(large(f"v{number:02d}"))
            added.append(f"v{number:02d}")
    return added


def test_a_full_disk_keeps_every_finished_video_and_says_what_to_do(small_disk: Path) -> None:
    folder = small_disk / "store"
    with pytest.raises(StoreError) as caught:
        fill(folder)
    store = open_store(folder)
    kept = len(store)
    assert kept >= 4
    assert str(caught.value) == (
        f"no space left for {folder} (No space left on device): {kept} finished videos are kept; "
        "free some space and run the same command again, which goes on from there"
    )
    assert list(verify(store)) == []
    assert all(same(store[video_id], large(video_id)) for video_id in store)
    assert not list(folder.glob(".writer*"))
    assert not list(folder.glob("*.lock"))


def test_a_run_on_a_full_disk_goes_on_once_there_is_space(small_disk: Path) -> None:
    folder, ballast = small_disk / "store", small_disk / "ballast"
    ballast.write_bytes(bytes(MIB))
    with pytest.raises(StoreError, match="no space left"):
        fill(folder)
    kept = len(open_store(folder))
    ballast.unlink()
    with StoreWriter(folder, CONFIG) as writer:
        assert len(writer.finished) == kept
        writer.add(large("new"))
    assert len(open_store(folder)) == kept + 1
    assert list(verify(open_store(folder))) == []


def test_what_fits_once_but_not_twice_is_still_stored(small_disk: Path) -> None:
    folder = small_disk / "store"
    added = fill(folder, count=4)
    assert list(open_store(folder)) == added
    assert len(list_shards(folder)) == 4


def test_a_disk_that_is_full_from_the_start_is_one_clear_error(small_disk: Path) -> None:
    with (small_disk / "ballast").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 2 * MIB - 8192)
    with pytest.raises(StoreError, match=r"no space left .* nothing in it is lost; free some"):
        fill(small_disk / "store")
    assert not list((small_disk / "store").glob("shard*"))


def test_a_merge_on_a_full_disk_changes_nothing_and_goes_on_once_there_is_space(
    small_disk: Path,
) -> None:
    folder, ballast = small_disk / "store", small_disk / "ballast"
    for writer in range(2):
        with StoreWriter(folder, CONFIG, writer=writer) as store:
            store.add(large(f"v{writer}"))
    ballast.write_bytes(bytes(MIB))
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(StoreError, match=r"no space left for .*: every video is kept; free some"):
        merge(folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    ballast.unlink()
    merge(folder)
    assert len(list_shards(folder)) == 1
    assert all(same(open_store(folder)[name], large(name)) for name in ("v0", "v1"))


def test_without_room_for_a_merged_copy_each_video_becomes_a_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same as on the small disk, where none can be mounted."""
    real_write, room = staging.write_shard, 3

    def write_while_there_is_room(path: Path, *rest: Any) -> None:
        if path.name == "merged" or int(path.stem) >= room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real_write(path, *rest)

    monkeypatch.setattr(staging, "write_shard", write_while_there_is_room)
    with pytest.raises(StoreError, match=r"no space left .*: 3 finished videos are kept; free"):
        fill(tmp_path / "store")
    assert list(open_store(tmp_path / "store")) == ["v00", "v01", "v02"]
    assert len(list_shards(tmp_path / "store")) == 3
    assert list(verify(open_store(tmp_path / "store"))) == []


def test_videos_that_cannot_even_be_listed_wait_for_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    writer = StoreWriter(tmp_path, CONFIG)
    with pytest.raises(StoreError, match="0 finished videos are kept and 2 more wait"), writer:  # noqa: PT012
        writer.add(record("a"))
        writer.add(record("b"))
        monkeypatch.setattr(staging, "sync_file", refuse)
    monkeypatch.undo()
    with StoreWriter(tmp_path, CONFIG) as writer:
        assert set(writer.finished) == {"a", "b"}
    assert same(open_store(tmp_path)["a"], record("a"))


def test_another_write_error_names_the_folder_and_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with StoreWriter(tmp_path, CONFIG) as writer:
        writer.add(record("a"))
        monkeypatch.setattr(staging, "write_shard", refuse)
        with pytest.raises(StoreError, match=r"cannot write to .* \(Input/output error\): 1 fin"):
            writer.add(record("b"))
    assert list(open_store(tmp_path)) == ["a"]
