"""Workers find the rows of a cache key in any store that has them whole."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
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
    vars(made).update(paths=list(paths), stores=OpenStores(), index={}, listed=[])
    return made


def test_stores_are_looked_through_again_only_where_videos_came(
    stores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown = Path(shutil.copytree(stores / "vcast-0.3", tmp_path / "store"))
    connector, looks = connector_of(grown), []
    look = connector.stores.store
    monkeypatch.setattr(connector.stores, "store", lambda path: looks.append(path) or look(path))
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
