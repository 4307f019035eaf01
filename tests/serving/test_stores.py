"""Open stores: read once, and again where they were made anew or have grown."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from evscli.errors import StoreError
from evscli.serving.address import VideoAddress
from evscli.serving.stores import OpenStores
from evscli.store import StoreWriter, UnknownVideoError, open_store


@pytest.fixture
def store(kept: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of a store."""
    return Path(shutil.copytree(kept["wide"], tmp_path / "store"))


def asked(video_id: str) -> VideoAddress:
    return VideoAddress(store="store", id=video_id)


def test_a_store_is_opened_once(store: Path) -> None:
    stores = OpenStores()
    assert stores.store(store) is stores.store(store) is stores.store(store, grown=True)


def test_a_video_that_came_since_is_found(store: Path) -> None:
    stores = OpenStores()
    with pytest.raises(UnknownVideoError, match="'later'"):
        stores.video(store, asked("later"))
    found = open_store(store)
    assert found.run is not None
    later = found["a"]
    with StoreWriter(store, found.run, writer=1) as writer:
        writer.add(replace(later, info=replace(later.info, id="later")))
    before = stores.store(store)
    assert stores.video(store, asked("a")).info.id == "a"
    assert stores.store(store) is before  # nobody asked for what it lacks
    assert stores.video(store, asked("later")).info.id == "later"
    assert stores.store(store) is not before


def test_a_store_made_anew_is_opened_anew(store: Path, kept: dict[str, Path]) -> None:
    stores = OpenStores()
    before = stores.video(store, asked("a"))
    shutil.rmtree(store)
    with pytest.raises(StoreError, match="does not exist"):
        stores.video(store, asked("a"))
    shutil.copytree(kept["int8"], store)
    assert stores.video(store, asked("a")).key != before.key
