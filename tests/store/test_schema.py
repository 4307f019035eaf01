from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evscli.errors import UsageError
from evscli.store.schema import (
    TensorSpec,
    check_id,
    id_problem,
    layout_problems,
    list_shards,
    shard_name,
    shard_number,
    split_key,
    tensor_key,
)
from evscli.store.shard import specs
from tests.store.samples import record


@settings(deadline=None)
@given(st.text(max_size=20), st.sampled_from(["embeds", "keep_mask"]))
def test_a_key_gives_back_its_id_and_name(video_id: str, name: str) -> None:
    assert split_key(tensor_key(video_id, name)) == (video_id, name)


@settings(deadline=None)
@given(st.text(max_size=20))
def test_an_accepted_id_is_a_clean_relative_path(video_id: str) -> None:
    if id_problem(video_id):
        with pytest.raises(UsageError, match="rename the file or give another id"):
            check_id(video_id)
        return
    assert unicodedata.normalize("NFC", video_id) == video_id
    assert all(part not in ("", ".", "..") for part in video_id.split("/"))
    assert len(video_id.encode().splitlines()) == 1
    assert len(video_id.splitlines()) == 1


@pytest.mark.parametrize(
    "video_id", ["a", "day 1/clip.v2", "Straße@0-10", "a/..b/c.", "視/頻", "-o"]
)
def test_ordinary_paths_are_ids(video_id: str) -> None:
    check_id(video_id)


@pytest.mark.parametrize(
    ("video_id", "reason"),
    [
        ("", "is empty"),
        ("/a", "starts with '/'"),
        ("a//b", "empty part"),
        ("a/", "empty part"),
        ("../a", "part '.' or '..'"),
        ("a/./b", "part '.' or '..'"),
        ("a\nb", "control character"),
        ("a\x00", "control character"),
        ("a\u2028b", "control character"),
        ("a\udcff", "not UTF-8"),
        ("e\u0301", "NFC"),
    ],
)
def test_an_id_that_cannot_be_one_says_why(video_id: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason.replace("'.'", "'[.]'")):
        check_id(video_id)


def test_shards_are_listed_by_writer_and_number_not_by_text(tmp_path: Path) -> None:
    names = [shard_name(0, 2), shard_name(0, 100_000), shard_name(2, 0), shard_name(10, 0)]
    for name in [
        *reversed(names),
        "shard-0-1.safetensors",
        "model.safetensors",
        "shard-0-00009.tmp",
    ]:
        (tmp_path / name).touch()
    assert [path.name for path in list_shards(tmp_path)] == names
    assert shard_number(names[1]) == (0, 100_000)


@pytest.mark.parametrize("planes", [0, 2])
@pytest.mark.parametrize("scores", [False, True])
def test_a_consistent_record_has_no_layout_problems(planes: int, scores: bool) -> None:
    video = record(planes=planes, scores=scores)
    assert layout_problems(video.info, specs(video.tensors())) == []


def test_layout_problems_name_the_tensor_and_what_was_expected() -> None:
    video = record(planes=1)
    found = specs(video.tensors())
    found["embeds"] = TensorSpec("F16", (1, 4))
    found["prompt_times"] = TensorSpec("F64", (9,))
    del found["deepstack"], found["source_index"]
    kept = video.info.kept
    assert sorted(layout_problems(video.info, found)) == [
        "deepstack is missing",
        f"embeds is F16 [1, 4] where F32 [{kept}, 4] was expected",
        "frame_times is F64 [6] where F64 [0] was expected",
        "prompt_times is F64 [9] where F64 [3] was expected",
        "source_index is missing",
    ]


def test_deepstack_without_planes_in_the_model_is_a_problem() -> None:
    found = specs(record(planes=1).tensors())
    assert layout_problems(record().info, found) == ["deepstack is there, but the model has none"]
