from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from evscli.errors import DamagedError, StoreError
from evscli.store import StoreWriter, UnknownVideoError, open_store
from evscli.store.codec import canonical_json, json_object
from tests.store.samples import CONFIG, failure, record
from tests.store.test_writer import same

SHARD = "shard-0-00000.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with StoreWriter(tmp_path / "store", CONFIG) as writer:
        for name in ("day 2/b", "day 1/clip", "day 1/Clip 2"):
            writer.add(record(name))
        writer.fail(failure())
    return tmp_path / "store"


def change_head(path: Path, change: Callable[[dict], None]) -> None:  # type: ignore[type-arg]
    """Rewrite a shard's header with other metadata."""
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json_object(raw[8 : 8 + size])
    evs = json_object(header["__metadata__"]["evs"])
    change(evs)
    header["__metadata__"]["evs"] = canonical_json(evs)
    text = canonical_json(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + size :])


def test_a_store_is_a_mapping_in_the_order_of_ids(folder: Path) -> None:
    store = open_store(folder)
    assert list(store) == ["day 1/Clip 2", "day 1/clip", "day 2/b"]
    assert len(store) == 3
    assert "day 2/b" in store
    assert "b" not in store
    assert store.get("b") is None
    assert {key: value.id for key, value in store.items()} == {key: key for key in store}
    assert store.run == CONFIG
    assert set(store.failures) == {"broken"}
    assert repr(store) == f"Store('{folder}', 3 videos)"


def test_one_shard_file_is_enough(folder: Path) -> None:
    copy = folder.parent / "copy.safetensors"
    copy.write_bytes((folder / SHARD).read_bytes())
    store = open_store(str(copy))
    assert list(store) == list(open_store(folder))
    assert same(store["day 2/b"], record("day 2/b"))
    assert store.run is None


def test_a_store_with_nothing_finished_is_empty(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, CONFIG):
        pass
    store = open_store(tmp_path)
    assert list(store) == []
    with pytest.raises(UnknownVideoError, match="it is empty"):
        store["a"]


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("day 1/clap", "did you mean 'day 1/clip'"),
        ("clip", "did you mean 'day 1/clip'"),
        ("xyz", "it holds 'day 1/Clip 2' or 'day 1/clip' or 'day 2/b'"),
    ],
)
def test_an_unknown_id_suggests_close_ones(folder: Path, asked: str, hint: str) -> None:
    store = open_store(folder)
    for ask in (store.__getitem__, store.info):
        with pytest.raises(StoreError, match=re.escape(hint)) as caught:
            ask(asked)
        assert isinstance(caught.value, KeyError)
        assert str(caught.value).startswith(f"{folder} has no video '{asked}'")


def test_a_folder_of_stores_names_them(folder: Path) -> None:
    with StoreWriter(folder.parent / "other", CONFIG):
        pass
    with pytest.raises(StoreError, match="holds 2 stores, name one of them: other, store"):
        open_store(folder.parent)


def test_of_many_stores_only_some_are_named(tmp_path: Path) -> None:
    for name in "abcdefg":
        with StoreWriter(tmp_path / name, CONFIG):
            pass
    with pytest.raises(StoreError, match=r"holds 7 stores, .* them: a, b, c, d, e, \.\.\.$"):
        open_store(tmp_path)


def test_a_video_that_failed_says_why(folder: Path) -> None:
    store = open_store(folder)
    reason = "has no video 'broken': it failed (open): broken.mp4 is not a video: name another"
    for ask in (store.__getitem__, store.info):
        with pytest.raises(UnknownVideoError, match=re.escape(reason)):
            ask("broken")


def test_what_is_no_store_says_so_and_advises_no_harm(tmp_path: Path) -> None:
    (tmp_path / "video.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42" * 9)
    for path, reason in (
        (tmp_path, "is not a store"),
        (tmp_path / "no", "does not exist"),
        (tmp_path / "video.mp4", "is not a shard of evs"),
    ):
        with pytest.raises(StoreError, match=reason) as caught:
            open_store(path)
        assert "evs prune wrote" in str(caught.value)
        assert "delete" not in str(caught.value)


def test_other_safetensors_files_are_not_taken_for_shards(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.ones(1)}, tmp_path / "model.safetensors")
    with pytest.raises(StoreError, match="is not a shard of evs"):
        open_store(tmp_path / "model.safetensors")


damage: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda _: b"",
    "cut inside the header": lambda raw: raw[:100],
    "cut inside the data": lambda raw: raw[:-1],
    "too long": lambda raw: raw + b"\x00",
    "overwritten with zeros": lambda raw: bytes(len(raw)),
    "text": lambda _: b"this is not a shard at all, but long enough",
}


@pytest.mark.parametrize("kind", damage)
def test_a_damaged_shard_is_one_clear_error(folder: Path, kind: str) -> None:
    raw = (folder / SHARD).read_bytes()
    (folder / SHARD).write_bytes(damage[kind](raw))
    store = open_store(folder)
    for read in (store.__getitem__, store.info):
        with pytest.raises(DamagedError, match=f"{SHARD} is damaged .*delete this file and run"):
            read("day 2/b")
    (folder / "manifest-0.jsonl").unlink()
    with pytest.raises(DamagedError, match=SHARD):
        open_store(folder)


def test_a_missing_shard_is_named_with_the_next_step(folder: Path) -> None:
    (folder / SHARD).unlink()
    with pytest.raises(DamagedError, match=f"{SHARD} is missing: put it back, or run"):
        open_store(folder)["day 2/b"]


def test_a_shard_that_went_after_opening_is_named_too(folder: Path) -> None:
    store = open_store(folder)
    (folder / SHARD).unlink()
    with pytest.raises(DamagedError, match=f"{SHARD} is missing"):
        store["day 2/b"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_shard_that_may_not_be_read_is_not_called_missing(folder: Path) -> None:
    (folder / SHARD).chmod(0)
    with pytest.raises(StoreError, match=r"cannot read .*Permission denied.*permissions$"):
        open_store(folder)["day 2/b"]


def test_a_shard_that_cannot_be_opened_is_not_called_missing(folder: Path) -> None:
    (folder / SHARD).unlink()
    (folder / SHARD).symlink_to(SHARD)
    with pytest.raises(StoreError, match=rf"cannot read .*{SHARD} \(.* symbolic links\): check"):
        open_store(folder)["day 2/b"]


def test_a_later_format_says_to_upgrade(folder: Path) -> None:
    said = "format version 3, this evs reads versions 1 and 2: upgrade"
    change_head(folder / SHARD, lambda evs: evs.update(format=3))
    with pytest.raises(StoreError, match=said):
        open_store(folder)["day 2/b"]
    run = folder / "run.json"
    run.write_text(run.read_text().replace('"format": 1', '"format": 3'))
    with pytest.raises(StoreError, match=said):
        open_store(folder)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda evs: evs.pop("format"), "key 'format' is missing"),
        (lambda evs: evs.update(format="1"), "key 'format' must be int, not str"),
        (lambda evs: evs.pop("fingerprint"), "key 'fingerprint' is missing"),
        (lambda evs: evs.pop("videos"), "key 'videos' is missing"),
        (lambda evs: evs["videos"]["day 2/b"].pop("kept"), "'day 2/b': key 'kept' is missing"),
        (lambda evs: evs["videos"]["day 2/b"].update(kept="1"), "key 'kept' must be int"),
        (lambda evs: evs["videos"]["day 2/b"].update(kept=1), "where F32 .1, 4. was expected"),
        (lambda evs: evs["videos"].pop("day 2/b"), "belongs to no video"),
        (lambda evs: evs["videos"].update({"../x": {}}), "has a part '.' or '..'"),
        (lambda evs: evs.update(fingerprint="0" * 64), "another configuration than run.json"),
    ],
)
def test_a_shard_whose_description_is_wrong_is_damaged(
    folder: Path, change: Callable[[object], None], reason: str
) -> None:
    change_head(folder / SHARD, change)
    with pytest.raises(DamagedError, match=reason):
        open_store(folder)["day 2/b"]


def test_a_manifest_that_names_the_wrong_shard_is_noticed(folder: Path) -> None:
    manifest = folder / "manifest-0.jsonl"
    manifest.write_text(manifest.read_text().replace("day 2/b", "day 2/c"))
    with pytest.raises(DamagedError, match="the manifest says it holds 'day 2/c'"):
        open_store(folder)["day 2/c"]


@pytest.mark.parametrize("text", ["", "{}", "[", '{"format": 1, "settings": {}}', "\x00"])
def test_a_damaged_run_json_is_one_clear_error(folder: Path, text: str) -> None:
    (folder / "run.json").write_text(text)
    for use in (lambda: open_store(folder), lambda: StoreWriter(folder, CONFIG).__enter__()):
        with pytest.raises(DamagedError, match=r"run.json is damaged .*delete it"):
            use()
    (folder / "run.json").unlink()
    with StoreWriter(folder, CONFIG) as writer:
        assert len(writer.finished) == 3
    assert open_store(folder).run == CONFIG


def test_what_is_done_to_a_record_does_not_reach_the_file(folder: Path) -> None:
    before = (folder / SHARD).read_bytes()
    video = open_store(folder)["day 2/b"]
    video.embeds.zero_()
    video.keep_mask.fill_(True)
    assert (folder / SHARD).read_bytes() == before


def test_a_record_outlives_its_store_and_file(folder: Path) -> None:
    video = open_store(folder)["day 2/b"]
    (folder / SHARD).unlink()
    assert same(video, record("day 2/b"))


def mapped_bytes(path: Path) -> int:
    """Bytes of a mapped file that this process has in memory, by the kernel's own account."""
    smaps = Path("/proc/self/smaps").read_text()
    blocks = re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", smaps, flags=re.MULTILINE)
    mine = [block for block in blocks if str(path) in block]
    return sum(1024 * int(kib) for block in mine for kib in re.findall(r"\nRss: +(\d+)", block))


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs Linux's smaps")
def test_reading_one_video_of_a_large_shard_touches_only_its_pages(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, CONFIG) as writer:
        for number in range(16):
            writer.add(record(f"v{number:02d}", grid=(8, 16, 16), embed_dim=1024))
    path = tmp_path / SHARD
    store = open_store(tmp_path)
    video, written = store["v07"], record("v07", grid=(8, 16, 16), embed_dim=1024)
    assert video.embeds.untyped_storage().nbytes() == video.embeds.nbytes
    assert torch.equal(video.embeds, written.embeds)
    assert path.stat().st_size > 12 * video.embeds.nbytes
    assert video.embeds.nbytes <= mapped_bytes(path) < 3 * video.embeds.nbytes
