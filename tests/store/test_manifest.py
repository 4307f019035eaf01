from __future__ import annotations

from pathlib import Path

import pytest

from evscli.errors import DamagedError, StoreBusyError
from evscli.store import StoreWriter, open_store, rebuild_manifest
from evscli.store.locks import writer_lock
from evscli.store.manifest import (
    append_entries,
    append_failure,
    read_catalogue,
    read_failures,
    read_manifest,
    shard_entries,
)
from tests.store.samples import CONFIG, failure, record


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Videos a, b in one shard and c in another."""
    with StoreWriter(tmp_path, CONFIG, shard_videos=2) as writer:
        for name in "abc":
            writer.add(record(name))
    return tmp_path


def test_a_manifest_says_where_a_video_is_and_what_it_came_from(store: Path) -> None:
    a, b, c = read_manifest(store / "manifest-0.jsonl")
    assert (a.id, b.id, c.id) == ("a", "b", "c")
    assert (a.shard, a.shard_videos) == (b.shard, b.shard_videos)
    assert (c.shard, c.shard_videos) == ("shard-0-00001.safetensors", 1)
    assert a.source == record("a").info.source
    assert [a, b] == shard_entries(store / a.shard)


@pytest.mark.parametrize("lines", [0, 1, 2, 3])
def test_lines_that_a_kill_prevented_are_made_again(store: Path, lines: int) -> None:
    manifest = store / "manifest-0.jsonl"
    whole = read_manifest(manifest)
    kept = "".join(manifest.read_text().splitlines(keepends=True)[:lines])
    manifest.write_text(kept + '{"id":"torn')
    assert set(open_store(store)) == {"a", "b", "c"}
    with StoreWriter(store, CONFIG) as writer:
        assert set(writer.finished) == {"a", "b", "c"}
    assert read_manifest(manifest) == whole


def test_a_manifest_is_rebuilt_from_shards_alone(store: Path) -> None:
    manifest = store / "manifest-0.jsonl"
    whole = manifest.read_bytes()
    manifest.unlink()
    assert rebuild_manifest(store) == 3
    assert manifest.read_bytes() == whole
    assert rebuild_manifest(store) == 0
    with writer_lock(store, 0), pytest.raises(StoreBusyError):
        rebuild_manifest(store)


@pytest.mark.parametrize("line", ["nonsense", "[]", "{}", '{"id": 1}'])
def test_a_damaged_line_inside_is_an_error_with_the_way_out(store: Path, line: str) -> None:
    manifest = store / "manifest-0.jsonl"
    whole = manifest.read_text()
    manifest.write_text(line + "\n" + whole)
    with pytest.raises(
        DamagedError, match=r"manifest-0.jsonl line 1 is damaged .*delete this file"
    ):
        open_store(store)
    manifest.unlink()
    with StoreWriter(store, CONFIG):
        pass
    assert manifest.read_text() == whole


def test_a_lost_shard_is_made_anew_under_a_new_number(store: Path) -> None:
    (store / "shard-0-00001.safetensors").unlink()
    catalogue = read_catalogue(store)
    assert set(catalogue.finished) == {"a", "b"}
    assert set(catalogue.lost) == {"c"}
    with StoreWriter(store, CONFIG) as writer:
        assert set(writer.finished) == {"a", "b"}
        writer.add(record("c"))
    assert (store / "shard-0-00002.safetensors").exists()
    assert read_catalogue(store).lost == {}
    assert set(open_store(store)) == {"a", "b", "c"}


def test_the_last_line_of_a_video_counts(store: Path) -> None:
    with StoreWriter(store / "other", CONFIG, writer=1) as writer:
        writer.add(record("a"))
    (store / "other" / "shard-1-00000.safetensors").rename(store / "shard-1-00000.safetensors")
    append_entries(store / "manifest-1.jsonl", shard_entries(store / "shard-1-00000.safetensors"))
    assert open_store(store).shard_name("a") == "shard-1-00000.safetensors"
    append_entries(store / "manifest-1.jsonl", shard_entries(store / "shard-0-00000.safetensors"))
    assert open_store(store).shard_name("a") == "shard-0-00000.safetensors"


def test_the_last_attempt_of_a_failure_counts(tmp_path: Path) -> None:
    append_failure(tmp_path / "failures-1.jsonl", failure("x", attempt=2, kind="Late"))
    append_failure(tmp_path / "failures-0.jsonl", failure("x", attempt=1, kind="Early"))
    append_failure(tmp_path / "failures-0.jsonl", failure("y", attempt=3, kind="Old"))
    append_failure(tmp_path / "failures-1.jsonl", failure("y", attempt=3, kind="New"))
    assert {key: last.kind for key, last in read_failures(tmp_path).items()} == {
        "x": "Late",
        "y": "New",
    }
