from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from evscli.errors import StoreError
from evscli.store import StoreWriter, open_store, verify
from evscli.store.codec import fingerprint
from evscli.store.manifest import append_entries, shard_entries
from evscli.store.shard import ShardPart, digest, write_shard
from evscli.store.shard_header import description_of
from tests.store.samples import CONFIG, SETTINGS, record

SHARD = "shard-0-00000.safetensors"
PART = '{"end":2.0,"first_frame":0,"segments":null,"source_seconds":9.0,"start":0.0}'


def store_of(folder: Path, part: ShardPart) -> Path:
    """A store whose one shard holds a video just as it is given, checked by nobody."""
    with StoreWriter(folder, CONFIG):
        pass
    write_shard(folder / SHARD, fingerprint(SETTINGS), [part])
    append_entries(folder, 0, shard_entries(folder / SHARD))
    return folder


def messages(folder: Path) -> list[str]:
    return [problem.message for problem in verify(open_store(folder))]


def part(*, kept: int | None = None, right_digest: bool = True, **changed: Tensor) -> ShardPart:
    video = record(planes=2, scores=True)
    tensors = video.tensors() | changed
    info = replace(video.info, kept=kept or video.info.kept)
    sha256 = digest(tensors if right_digest else video.tensors())
    return ShardPart(id=info.id, description=description_of(info, sha256), tensors=tensors)


def test_a_sound_video_has_no_problems(tmp_path: Path) -> None:
    assert messages(store_of(tmp_path, part())) == []


def test_tensors_of_later_releases_are_covered_by_the_digest_and_left_alone(tmp_path: Path) -> None:
    folder = store_of(tmp_path, part(novel=torch.arange(3)))
    assert messages(folder) == []
    assert not hasattr(open_store(folder)["clip"], "novel")


def test_each_wrong_tensor_is_named(tmp_path: Path) -> None:
    video = record(planes=2, scores=True)
    fewer, outside = video.keep_mask.clone(), video.position_ids.clone()
    fewer[0, 0, 0] = False
    outside[-1, 0] = 3
    cases = {
        "embeds is F16": part(embeds=video.embeds.half()),
        "embeds is F32 [3, 4] where": part(embeds=video.embeds[:3]),
        "deepstack is F32 [1,": part(deepstack=torch.zeros(1, video.info.kept, 4)),
        "scores is F16 [1, 2, 4] where": part(scores=torch.zeros(1, 2, 4).half()),
        "prompt_times is F64 [6] where": part(prompt_times=video.frame_times),
        "frame_times is F64 [3] where": part(frame_times=video.prompt_times),
        "keep_mask keeps": part(keep_mask=fewer),
        "position_ids lie outside the grid [3, 2, 4]": part(position_ids=outside),
        "position_ids are not the kept cells": part(position_ids=video.position_ids.flip(0)),
    }
    for number, (message, wrong) in enumerate(cases.items()):
        found = messages(store_of(tmp_path / str(number), wrong))
        assert any(line.startswith(message) for line in found), (message, found)


def test_a_count_that_is_not_the_number_of_rows_is_a_problem(tmp_path: Path) -> None:
    found = messages(store_of(tmp_path, part(kept=5)))
    assert any("where F32 [5, 4] was expected" in line for line in found)


def test_other_bytes_than_were_written_are_noticed(tmp_path: Path) -> None:
    wrong = part(embeds=torch.zeros(record().info.kept, 4), right_digest=False)
    assert messages(store_of(tmp_path, wrong)) == [
        "the bytes of its tensors have changed since they were written"
    ]


def test_one_flipped_bit_spoils_one_video_only(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, CONFIG) as writer:
        for name in "abc":
            writer.add(record(name))
    raw = bytearray((tmp_path / SHARD).read_bytes())
    raw[-1] ^= 1  # the last cell of the last mask
    (tmp_path / SHARD).write_bytes(raw)
    assert {problem.id for problem in verify(open_store(tmp_path))} == {"c"}
    store = open_store(tmp_path)
    assert list(verify(store, only="a")) == []
    assert {problem.shard for problem in verify(store, only="c")} == {SHARD}
    with pytest.raises(StoreError, match="has no video 'd'"):
        list(verify(store, only="d"))


def test_damaged_and_missing_shards_do_not_hide_the_others(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, CONFIG, shard_videos=1) as writer:
        for name in "abc":
            writer.add(record(name))
    (tmp_path / SHARD).write_bytes(b"")
    (tmp_path / "shard-0-00001.safetensors").unlink()
    raw = bytearray((tmp_path / "shard-0-00002.safetensors").read_bytes())
    raw[-1] ^= 1
    (tmp_path / "shard-0-00002.safetensors").write_bytes(raw)
    found = list(verify(open_store(tmp_path)))
    assert [problem.shard[8:13] for problem in found[:2]] == ["00000", "00001"]
    assert "is damaged" in found[0].message
    assert "is missing" in found[1].message
    assert {problem.id for problem in found[2:]} == {"c"}


def test_manifest_and_shard_must_agree(tmp_path: Path) -> None:
    with StoreWriter(tmp_path, CONFIG) as writer:
        writer.add(record("a"))
        writer.add(record("b"))
    manifest = tmp_path / "manifest-0.jsonl"
    whole = manifest.read_text()
    entry = shard_entries(tmp_path / SHARD)[0]
    kept, other, size = f'"kept":{entry.kept}', '"id":"a"', f'"shard_bytes":{entry.shard_bytes}'
    sha256, zeros = entry.sha256, "0" * 64
    for old, new, problem in (
        ('"path":"a.mp4"', '"path":"z.mp4"', 'source.path is "z.mp4" {} "a.mp4" {}'),
        (sha256, zeros, f'sha256 is "{zeros}" {{}} "{sha256}" {{}}'),
        *((kept, f'"kept":{n}', f"kept is {n} {{}} {entry.kept} {{}}") for n in (5, -5, 10**40)),
        (other, '"query":"why?",' + other, 'query is "why?" {} absent {}'),
        (size, '"shard_bytes":7', f"shard_bytes is 7 {{}} {entry.shard_bytes} {{}}"),
        ('"shard_videos":2', '"shard_videos":3', "shard_videos is 3 {} 2 {}"),
        (other, f'"part":{PART},{other}', "part.end is 2.0 {} absent {}"),
        (other, '"id":"z"', "the manifest lists it, the shard lacks it"),
    ):
        assert old in whole
        manifest.write_text(whole.replace(old, new, 1))
        told = problem.format("in the manifest and", "in the shard")
        assert messages(tmp_path)[0] == told
    manifest.write_text(whole.replace(kept + ",", "", 1))  # a store from before it was listed
    assert messages(tmp_path) == []
    manifest.write_text(whole.splitlines(keepends=True)[0])
    (problem,) = messages(tmp_path)
    assert problem.startswith(f"1 of the videos of {SHARD} are in no manifest")
