from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evscli.datasets import VideoDataset
from evscli.errors import DamagedError, MismatchError, StoreError, UsageError
from evscli.records import RunConfig
from evscli.store import StoreMerge, StoreWriter, open_store
from evscli.store.schema import list_shards
from tests.datasets.conftest import IDS
from tests.store.make_v1 import FOLDER
from tests.store.samples import CONFIG, record
from tests.store.test_writer import same


def test_videos_are_numbered_in_reading_order(store: Path) -> None:
    dataset = VideoDataset(store)
    opened = open_store(store)
    ids = [dataset.id(number) for number in range(len(dataset))]
    assert sorted(ids) == IDS
    shards = [opened.shard_name(video_id) for video_id in ids]
    names = [path.name for path in list_shards(store)]
    assert ids == sorted(
        ids, key=lambda video_id: (names.index(opened.shard_name(video_id)), video_id)
    )
    assert shards[0] == names[0]
    assert dataset.kept.tolist() == [opened.info(video_id).kept for video_id in ids]
    assert repr(dataset) == f"VideoDataset(23 videos, {dataset.kept.sum()} tokens)"


def test_a_video_is_had_by_number_and_by_id(store: Path) -> None:
    dataset, opened = VideoDataset(str(store)), open_store(store)
    assert all(same(video, opened[video.id]) for video in dataset)
    for video_id in IDS:
        assert dataset.number(video_id) == [dataset.id(n) for n in range(23)].index(video_id)
        assert same(dataset[video_id], opened[video_id])
    assert same(dataset[-1], dataset[22])
    assert same(dataset[np.int64(3)], dataset[3])  # type: ignore[call-overload]


def test_what_is_not_there_is_an_error(store: Path) -> None:
    dataset = VideoDataset(store)
    for number in (23, -24):
        with pytest.raises(IndexError, match="of 23"):
            dataset[number]
    with pytest.raises(StoreError, match="no video 'w' among 23"):
        dataset["w"]
    with pytest.raises(KeyError):
        dataset["w"]
    with pytest.raises(TypeError):
        dataset[1.5]  # type: ignore[index]
    with pytest.raises(UsageError, match="needs a store"):
        VideoDataset()
    with pytest.raises(StoreError, match="does not exist"):
        VideoDataset(store / "no")
    with pytest.raises(StoreError, match="holds 1 stores"):
        VideoDataset(store.parent)


def test_an_empty_store_is_an_empty_dataset(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, CONFIG):
        pass
    dataset = VideoDataset(tmp_path)
    assert (len(dataset), list(dataset), len(dataset.select([]))) == (0, [], 0)


def test_some_videos_are_a_dataset_too(store: Path) -> None:
    dataset = VideoDataset(store)
    small = dataset.select(np.flatnonzero(dataset.kept <= 8))
    assert 0 < len(small) < 23
    assert set(small.kept.tolist()) == {kept for kept in dataset.kept.tolist() if kept <= 8}
    turned = dataset.select([5, -1, 0])
    assert [turned[n].id for n in range(3)] == [dataset.id(5), dataset.id(22), dataset.id(0)]
    assert turned[dataset.id(22)].id == turned.id(1) == dataset.id(22)
    assert len(dataset) == 23
    with pytest.raises(IndexError):
        dataset.select([23])


def other_store(folder: Path, ids: list[str], **settings: Any) -> Path:
    config = RunConfig(settings={**CONFIG.settings, **settings})
    with StoreWriter(folder, config) as writer:
        for video_id in ids:
            writer.add(record(video_id))
    return folder


def test_several_stores_are_one_dataset(store: Path, tmp_path: Path) -> None:
    more = other_store(tmp_path / "more", ["a", "b"])
    dataset = VideoDataset(store, more)
    assert len(dataset) == 25
    assert [dataset[n].id for n in (23, 24)] == ["a", "b"]
    assert dataset.number("b") == 24
    assert dataset["v07"].id == "v07"


def test_stores_of_other_configurations_must_be_allowed(store: Path, tmp_path: Path) -> None:
    other = other_store(tmp_path / "other", ["v00", "w"], budget=0.1)
    with pytest.raises(MismatchError, match=r"other was made with another .* mixed=True"):
        VideoDataset(store, other)
    dataset = VideoDataset(store, other, mixed=True)
    assert len(dataset) == 25
    assert same(dataset["w"], record("w"))
    with pytest.raises(UsageError, match=r"'v00' is in 2 stores: name it by number, of \[0, 23\]"):
        dataset["v00"]
    assert [dataset[number].id for number in (0, 23)] == ["v00", "v00"]


def test_one_shard_file_will_do(store: Path, tmp_path: Path) -> None:
    shutil.copy(list_shards(store)[1], tmp_path / "copy.safetensors")
    dataset = VideoDataset(tmp_path / "copy.safetensors")
    assert [dataset[n].id for n in range(len(dataset))] == ["v08", "v10", "v12", "v14"]


def test_stores_from_before_kept_was_listed_are_read() -> None:
    dataset = VideoDataset(FOLDER / "plain")
    opened = open_store(FOLDER / "plain")
    assert dataset.kept.tolist() == [opened.info(video_id).kept for video_id in opened]
    assert same(dataset["clip"], opened["clip"])


def test_a_dataset_travels_closed_and_is_the_same_there(store: Path) -> None:
    dataset = VideoDataset(store)
    assert same(dataset[0], dataset["v00"])
    travelled = pickle.loads(pickle.dumps(dataset))
    assert [travelled.id(n) for n in range(23)] == [dataset.id(n) for n in range(23)]
    assert same(travelled["v05"], dataset["v05"])
    assert len(pickle.dumps(dataset)) < 3000 + 100 * 23


def test_a_relative_path_is_read_from_any_folder(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(store.parent)
    dataset = VideoDataset("store")
    monkeypatch.chdir(tmp_path)
    assert same(dataset["v05"], open_store(store)["v05"])


def test_a_forked_process_opens_shards_of_its_own(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = VideoDataset(store)
    dataset[0]
    mine = dataset._shards._shard
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert same(dataset[0], open_store(store)["v00"])
    assert dataset._shards._shard is not mine


def test_what_a_merge_moves_is_found(store: Path, tmp_path: Path) -> None:
    shutil.copytree(store, tmp_path / "store")
    dataset = VideoDataset(tmp_path / "store")
    first = dataset[0]
    with StoreMerge(tmp_path / "store") as merge:
        list(merge.run())
    opened = open_store(store)
    assert same(first, opened[first.id])
    assert all(same(dataset[number], opened[dataset.id(number)]) for number in range(23))


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("harm", [spoil, Path.unlink])
def test_a_damaged_or_missing_shard_is_named(
    store: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    shutil.copytree(store, tmp_path / "store")
    dataset = VideoDataset(tmp_path / "store")
    harm(tmp_path / "store" / "shard-0-00001.safetensors")
    assert dataset[0].id == "v00"
    with pytest.raises(DamagedError, match=r"shard-0-00001\.safetensors is"):
        dataset["v08"]
