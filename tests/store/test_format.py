"""docs/format.md and the committed stores of its versions: what every release must keep."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from evscli.records import Failure, ModelInfo, PrunedVideo, RunConfig, SourceInfo, VideoInfo
from evscli.store import open_store, verify
from evscli.store.manifest import Entry
from evscli.store.schema import STORE_DTYPES
from tests.store import make_v1, make_v2
from tests.store.make_v1 import FOLDER
from tests.store.make_v2 import FOLDER as NARROW
from tests.store.samples import CONFIG, failure, record
from tests.store.test_writer import same

FORMAT = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")

Reader = Callable[[Path], Iterator[tuple[str, dict[str, Any], dict[str, Tensor]]]]


PINNED: dict[str, Any] = {
    "embeds": [
        [3.625, 0.25, 2.25, 4.875],
        [7.25, -7.125, 3.375, 2.25],
        [-7.625, 6.0, 5.75, -0.125],
        [-5.625, 7.875, 1.875, -3.375],
        [3.125, -6.875, 0.75, 3.75],
    ],
    "position_ids": [[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 2], [0, 2, 1]],
    "deepstack": [-3.5, -6.0, 3.125, 7.25],
}

PINNED_NARROW = {
    "float8": ([144.0, 384.0, -448.0, 320.0], 8 / 448),
    "int8": ([-119.0, 127.0, -55.0, 13.0], 7.5 / 127),
}


@pytest.fixture(scope="module")
def read_store() -> Reader:
    """The reader printed in docs/format.md."""
    (code,) = re.findall(r"```python\n(.*?)```", FORMAT, flags=re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    assert "evscli" not in code
    names: dict[str, Any] = {}
    exec(code, names)
    reader: Reader = names["read_store"]
    return reader


@pytest.mark.parametrize("name", ["plain", "deepstack"])
def test_the_documented_reader_reads_what_ours_reads(read_store: Reader, name: str) -> None:
    store = open_store(FOLDER / name)
    found = list(read_store(FOLDER / name))
    assert sorted(video_id for video_id, _, _ in found) == list(store)
    for video_id, info, tensors in found:
        mine = store[video_id].tensors()
        assert tensors.keys() == mine.keys()
        assert all(torch.equal(tensors[key], mine[key]) for key in mine)
        assert info["kept"] == store.info(video_id).kept


def test_the_documented_reader_makes_scaled_tokens_wide(read_store: Reader) -> None:
    store, seen = open_store(NARROW), []
    for video_id, info, tensors in read_store(NARROW):
        mine = store[video_id].tensors()
        assert tensors.keys() == mine.keys()
        computed = getattr(torch, info["model"]["dtype"])
        for key in ("embeds", "deepstack"):
            tensors[key] = tensors[key].to(computed)
        assert all(torch.equal(tensors[key], mine[key]) for key in mine)
        seen.append(info["store_dtype"])
    assert sorted(seen) == sorted(STORE_DTYPES)


def test_a_shard_has_version_2_for_a_store_dtype_only() -> None:
    for folder, version in ((NARROW, b"2"), (FOLDER / "plain", b"1")):
        for path in folder.glob("shard-*"):
            assert b'\\"format\\":%s,' % version in path.read_bytes()


def test_version_2_stores_are_read_whole_with_the_values_stored() -> None:
    store = open_store(NARROW)
    assert list(verify(store)) == []
    for store_dtype, (values, scale) in PINNED_NARROW.items():
        stored = store.stored(store_dtype)
        assert stored["embeds"][0].float().tolist() == values
        assert stored["embeds_scale"][0] == torch.tensor(scale)


def test_version_1_stores_are_read_whole() -> None:
    plain, deep = open_store(FOLDER / "plain"), open_store(FOLDER / "deepstack")
    assert list(plain) == ["clip", "day 1/Straße@0-10"]
    assert list(deep) == ["a", "b"]
    assert plain.run == deep.run == CONFIG
    assert plain.failures == {"broken": failure()}
    assert [*verify(plain), *verify(deep)] == []


def test_version_1_values_are_what_was_stored() -> None:
    video = open_store(FOLDER / "plain")["day 1/Straße@0-10"]
    assert video.embeds.tolist() == PINNED["embeds"]
    assert video.embeds.dtype == torch.float32
    assert video.position_ids.tolist() == PINNED["position_ids"]
    assert video.position_ids.dtype == torch.int32
    assert video.source_index.tolist() == [0, 12]
    assert video.frame_times.tolist() == [0.0, 0.5]
    assert video.prompt_times.tolist() == [0.25]
    assert video.info == record("day 1/Straße@0-10", grid=(1, 3, 3), notes=("A note.",)).info
    assert video.info.source.path == "day 1/Straße@0-10.mp4"
    assert (video.info.method, video.info.options) == ("vcast", {"temperature": 0.7})
    assert (video.info.budget, video.info.kept, video.info.tokens) == (0.5, 5, 9)
    deep = open_store(FOLDER / "deepstack")["b"]
    assert same(deep, record("b", dtype=torch.bfloat16, planes=3, scores=True))
    assert deep.deepstack is not None
    assert deep.scores is not None
    assert deep.deepstack[2, -1].tolist() == PINNED["deepstack"]
    assert deep.scores.dtype == torch.float16


@pytest.mark.parametrize(("make", "folder"), [(make_v1.make, FOLDER), (make_v2.make, NARROW)])
def test_this_release_writes_both_versions_byte_for_byte(
    make: Callable[[Path], None], folder: Path, tmp_path: Path
) -> None:
    make(tmp_path)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert files == sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file())
    for name in files:
        made, stored = (tmp_path / name).read_bytes(), (folder / name).read_bytes()
        if name.name.startswith("manifest"):  # these say since what is kept
            made, stored = (re.sub(rb'"kept":\d+,', b"", text) for text in (made, stored))
        assert made == stored, name


def test_the_digest_is_the_documented_one(read_store: Reader) -> None:
    dtypes = {torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64"}
    dtypes |= {torch.bool: "BOOL", torch.int32: "I32", torch.int64: "I64"}
    for _, info, tensors in read_store(FOLDER / "deepstack"):
        total = hashlib.sha256()
        for name in sorted(tensors):
            value = tensors[name]
            start = json.dumps(
                [name, dtypes[value.dtype], list(value.shape)], separators=(",", ":")
            )
            total.update(start.encode() + b"\n")
            total.update(bytes(value.contiguous().flatten().view(torch.uint8).tolist()))
        assert total.hexdigest() == info["sha256"]


@pytest.mark.parametrize(
    "kind", [VideoInfo, ModelInfo, SourceInfo, PrunedVideo, RunConfig, Failure, Entry]
)
def test_every_stored_key_is_documented(kind: type) -> None:
    for name in inspect.get_annotations(kind):
        assert f"`{name}`" in FORMAT or name == "info", name
