"""Workers find the rows of a cache key in any store that has them whole."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from evscli.errors import DamagedError
from evscli.serving.served import ServedVideo
from evscli.serving.stores import OpenStores
from evscli.serving.vllm.cache import EvsECConnector
from evscli.store import open_store


def connector_of(*paths: Path) -> Any:
    """A connector for stores, without an engine."""
    made = object.__new__(EvsECConnector)
    vars(made).update(paths=list(paths), stores=OpenStores(), index={})
    return made


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
