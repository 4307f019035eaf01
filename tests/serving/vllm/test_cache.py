"""Workers find the rows of a cache key in any store that has them whole."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from evscli.errors import DamagedError
from evscli.serving.served import ServedVideo
from evscli.serving.stores import OpenStores
from evscli.serving.vllm.cache import EvsECConnector
from evscli.store import StoreWriter, open_store


def connector_of(*paths: Path) -> Any:
    """A connector for stores, without an engine."""
    made = object.__new__(EvsECConnector)
    vars(made).update(
        paths=list(paths), stores=OpenStores(), index={}, listed=[], seen={}, lost=set()
    )
    return made


def waiting(key: str, name: str = "one") -> Any:
    """A request whose prompt has 9 tokens of a video."""
    place = SimpleNamespace(offset=3, length=9)
    return SimpleNamespace(
        request_id=name, mm_features=[SimpleNamespace(mm_position=place, identifier=key)]
    )


def test_stores_are_looked_through_again_only_where_videos_came(
    stores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown = Path(shutil.copytree(stores / "vcast-0.3", tmp_path / "store"))
    connector, looks = connector_of(grown), []
    look = connector.stores.store
    monkeypatch.setattr(
        connector.stores, "store", lambda path, **how: looks.append(path) or look(path, **how)
    )
    for _ in range(3):
        assert connector.places("unknown") == []
    assert looks == [grown]
    found = open_store(grown)
    assert found.run is not None
    later = found["hard-cuts"]
    with StoreWriter(grown, found.run, writer=1) as writer:
        info = replace(later.info, id="later")
        writer.add(replace(later, info=info, embeds=later.embeds + 1))
    digest = open_store(grown).sha256("later")
    assert (grown, "later") in connector.places(digest)
    assert len(looks) <= 2


def test_a_damaged_copy_of_a_store_is_passed_over(stores: Path, tmp_path: Path) -> None:
    whole = stores / "surprise-0.3"
    copies = [Path(shutil.copytree(whole, tmp_path / name)) for name in ("one", "two")]
    video = ServedVideo.read(open_store(whole), "hard-cuts", "0.1")
    connector = connector_of(copies[0], whole, copies[1])
    assert connector._found_match_for_mm_data(video.key)
    assert not connector._found_match_for_mm_data("evs-00")
    assert not connector._found_match_for_mm_data("some other item")
    for copied in copies:
        (shard,) = copied.glob("shard-*")
        shard.write_bytes(shard.read_bytes()[:-9])
    assert torch.equal(connector.rows(video.key), video.rows())
    with pytest.raises(DamagedError, match="in no store any more"):
        connector_of(*copies).rows(video.key)


def test_a_request_whose_video_is_gone_fails_and_no_other(stores: Path, tmp_path: Path) -> None:
    kept = Path(shutil.copytree(stores / "surprise-0.3", tmp_path / "kept"))
    gone = Path(shutil.copytree(stores / "vcast-0.3", tmp_path / "gone"))
    connector = connector_of(kept, gone)
    keys = [ServedVideo.read(open_store(path), "hard-cuts").key for path in (kept, gone)]
    requests = [waiting(key, name) for key, name in zip(keys, ("kept", "gone"), strict=True)]
    assert all(connector.ensure_cache_available(request, 0) for request in requests)
    assert connector.take_unavailable_requests() == set()
    shutil.rmtree(gone)
    shutil.copytree(stores / "uniform-frames-0.3", gone)  # another store takes its name
    ready = [connector.ensure_cache_available(request, 0) for request in requests]
    assert ready == [True, False]
    assert connector.take_unavailable_requests() == {"gone"}
    assert connector.take_unavailable_requests() == set()
    assert connector.ensure_cache_available(requests[1], 12), "its tokens are in vLLM's cache"
    for key in ("another item", "evs-rows-00"):  # what needs no store
        assert connector.ensure_cache_available(waiting(key), 0)
    assert not connector.ensure_cache_available(waiting("evs-00"), 0)


def test_a_video_is_found_again_under_another_id(stores: Path, tmp_path: Path) -> None:
    store = Path(shutil.copytree(stores / "surprise-0.3", tmp_path / "store"))
    connector, found = connector_of(store), open_store(store)
    video = ServedVideo.read(found, "hard-cuts", "0.1")
    rows = connector.rows(video.key)
    shutil.rmtree(store)
    assert found.run is not None
    with StoreWriter(store, found.run) as writer:
        record = open_store(stores / "surprise-0.3")["hard-cuts"]
        writer.add(record)
    assert torch.equal(connector.rows(video.key), rows)


def test_a_damaged_list_of_videos_does_not_lose_those_that_are_open(
    stores: Path, tmp_path: Path
) -> None:
    store = Path(shutil.copytree(stores / "surprise-0.3", tmp_path / "store"))
    connector = connector_of(store)
    keys = [
        ServedVideo.read(open_store(store), "hard-cuts", budget).key for budget in ("0.1", "0.05")
    ]
    assert connector.ensure_cache_available(waiting(keys[0]), 0)
    (store / "manifest-0.jsonl").write_text("{\nxx\n")
    assert connector.ensure_cache_available(waiting(keys[1]), 0)
    assert len(connector.rows(keys[1]))
