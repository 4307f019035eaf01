from __future__ import annotations

import json
import re
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from evscli.errors import DamagedError, StoreBusyError
from evscli.store import StoreWriter, open_store, rebuild_manifest, verify
from evscli.store.catalogue import read_catalogue
from evscli.store.codec import from_json
from evscli.store.failures import append_failure, read_failures
from evscli.store.locks import writer_lock
from evscli.store.manifest import Entry, append_entries, read_manifest, shard_entries
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


def test_a_line_says_how_many_tokens_were_kept(store: Path) -> None:
    kept = {entry.id: entry.kept for entry in read_manifest(store / "manifest-0.jsonl")}
    assert kept == {name: record(name).info.kept for name in "abc"}


LINE: dict[str, Any] = {
    "id": "a",
    "shard": "shard-0-00000.safetensors",
    "shard_videos": 1,
    "shard_bytes": 10,
    "source": {"path": "a.mp4", "size": 5, "sha256": "0"},
    "sha256": "1",
}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"query": "why?", "kept": 7},
        {"query": None, "kept": None, "of a later release": [1]},
        *({key: value} for key in (*LINE, "query", "kept") for value in (1.0, True, [], {"a": 1})),
        *({key: None} for key in LINE),
        *({"source": {**LINE["source"], key: None}} for key in LINE["source"]),
    ],
)
def test_a_line_means_what_its_json_means(tmp_path: Path, change: dict[str, Any]) -> None:
    path, line = tmp_path / "manifest-0.jsonl", {**LINE, **change}
    path.write_text(json.dumps(line) + "\n")
    try:
        expected = from_json(Entry, line)
    except ValueError as error:
        with pytest.raises(DamagedError, match=re.escape(f"line 1 is damaged ({error})")):
            list(read_manifest(path))
    else:
        assert list(read_manifest(path)) == [expected]


@pytest.mark.parametrize("key", list(LINE))
def test_a_line_without_a_key_names_it(tmp_path: Path, key: str) -> None:
    path = tmp_path / "manifest-0.jsonl"
    path.write_text(json.dumps({name: LINE[name] for name in LINE if name != key}) + "\n")
    with pytest.raises(DamagedError, match=f"key '{key}' is missing"):
        list(read_manifest(path))


def test_a_line_given_twice_does_not_hide_one_that_is_missing(store: Path) -> None:
    manifest = store / "manifest-0.jsonl"
    first, _, third = manifest.read_text().splitlines(keepends=True)
    manifest.write_text(first + first + third)
    assert set(open_store(store)) == {"a", "b", "c"}


@pytest.mark.parametrize("lines", [0, 1, 2, 3])
def test_lines_that_a_kill_prevented_are_made_again(store: Path, lines: int) -> None:
    manifest = store / "manifest-0.jsonl"
    whole = list(read_manifest(manifest))
    kept = "".join(manifest.read_text().splitlines(keepends=True)[:lines])
    manifest.write_text(kept + '{"id":"torn')
    assert set(open_store(store)) == {"a", "b", "c"}
    with StoreWriter(store, CONFIG) as writer:
        assert set(writer.finished) == {"a", "b", "c"}
    assert list(read_manifest(manifest)) == whole


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
    catalogue = read_catalogue(store, attrgetter("shard"))
    assert set(catalogue.finished) == {"a", "b"}
    assert set(catalogue.lost) == {"c"}
    with StoreWriter(store, CONFIG) as writer:
        assert set(writer.finished) == {"a", "b"}
        writer.add(record("c"))
    assert (store / "shard-0-00002.safetensors").exists()
    assert list(verify(open_store(store))) == []
    assert read_catalogue(store, attrgetter("shard")).lost == {}
    assert set(open_store(store)) == {"a", "b", "c"}


def test_the_last_line_of_a_video_counts(store: Path) -> None:
    with StoreWriter(store / "other", CONFIG, writer=1) as writer:
        writer.add(record("a"))
    (store / "other" / "shard-1-00000.safetensors").rename(store / "shard-1-00000.safetensors")
    append_entries(store, 1, shard_entries(store / "shard-1-00000.safetensors"))
    assert open_store(store).shard_name("a") == "shard-1-00000.safetensors"
    append_entries(store, 1, shard_entries(store / "shard-0-00000.safetensors"))
    assert open_store(store).shard_name("a") == "shard-0-00000.safetensors"


def test_the_last_attempt_of_a_failure_counts(tmp_path: Path) -> None:
    append_failure(tmp_path, 1, failure("x", attempt=2, kind="Late"))
    append_failure(tmp_path, 0, failure("x", attempt=1, kind="Early"))
    append_failure(tmp_path, 0, failure("y", attempt=3, kind="Old"))
    append_failure(tmp_path, 1, failure("y", attempt=3, kind="New"))
    assert {key: last.kind for key, last in read_failures(tmp_path).items()} == {
        "x": "Late",
        "y": "New",
    }
