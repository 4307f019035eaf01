from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from evscli.corpus.inputs import find_videos
from evscli.corpus.inputs.names import refuse_name
from evscli.errors import UsageError
from tests.corpus.inputs.tar_files import write_tar


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def ids(rule: str, *inputs: Path | str) -> list[str]:
    videos = find_videos([str(given) for given in inputs], ids=rule)
    for video in videos:
        refuse_name(video)
    return [video.id for video in videos]


def shards(folder: Path, *names: str, keys: int = 2, ending: str = "mp4") -> None:
    """Tars whose keys are their own, as WebDataset asks of each tar alone."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        members = {f"{key:04}.{ending}": b"x" for key in range(keys)}
        write_tar(folder / f"{name}.tar", {**members, "0000.json": b"{}"})


def refusal(rule: str, *inputs: Path | str) -> str:
    with pytest.raises(UsageError) as caught:
        ids(rule, *inputs)
    return str(caught.value)


def test_the_name_of_its_tar_tells_a_member_from_those_of_others(tmp_path: Path) -> None:
    shards(tmp_path, "shard-0", "shard-1")
    given = f"{tmp_path}/shard-*.tar"
    expected = ["shard-0/0000", "shard-0/0001", "shard-1/0000", "shard-1/0001"]
    assert ids("tar", given) == expected
    assert ids("tar", tmp_path / "shard-0.tar", tmp_path / "shard-1.tar") == expected
    (tmp_path / "list.txt").write_text(f"shard-0.tar\n{tmp_path}/shard-1.tar\n")
    assert ids("tar", tmp_path / "list.txt") == expected
    message = refusal("name", given)
    assert message == (
        f"2 ids name several videos: '0000' ({tmp_path}/shard-0.tar/0000.mp4, "
        f"{tmp_path}/shard-1.tar/0000.mp4), '0001' ({tmp_path}/shard-0.tar/0001.mp4, "
        f"{tmp_path}/shard-1.tar/0001.mp4); give --ids tar, under which they differ, or ids of "
        "your own in a list"
    )
    assert "give --ids tar" in refusal("suffix", given)


def test_tars_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    shards(tmp_path, "day/0", "night/0", keys=1)
    assert ids("tar", f"{tmp_path}/*/0.tar") == ["day/0/0000", "night/0/0000"]
    (tmp_path / "list.txt").write_text("day/0.tar\nnight/0.tar\n")
    assert ids("tar", tmp_path / "list.txt") == ["day/0/0000", "night/0/0000"]


def test_the_ending_tells_a_file_from_those_of_the_same_name(tmp_path: Path) -> None:
    name = unicodedata.normalize("NFD", "café.mp4")
    touch(tmp_path / "a.mp4", tmp_path / "a.mov", tmp_path / "day" / name)
    assert ids("suffix", tmp_path) == ["a.mov", "a.mp4", "day/café.mp4"]
    assert ids("suffix", tmp_path / "day") == ["café.mp4"], "whether there is a clash or not"
    message = refusal("name", tmp_path)
    assert message.startswith("1 id names several videos: 'a' (")
    assert "give --ids suffix, under which they differ" in message
    assert "give --ids suffix" in refusal("tar", tmp_path)
    write_tar(tmp_path / "t.tar", {"a.mp4": b"", "a.mkv": b""})
    assert ids("suffix", tmp_path / "t.tar") == ["a.mp4", "a.mkv"]


def test_an_id_or_part_that_a_list_gives_stays(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4")
    shards(tmp_path, "0", keys=1)
    rows = "path,id,start\na.mp4,mine,\na.mp4,a,1\na.mp4,,2\n0.tar,,\n"
    (tmp_path / "rows.csv").write_text(rows)
    assert ids("name", tmp_path / "rows.csv") == ["mine", "a", "a@2-", "0000"]
    assert ids("suffix", tmp_path / "rows.csv") == ["mine", "a", "a.mp4@2-", "0000.mp4"]
    assert ids("tar", tmp_path / "rows.csv") == ["mine", "a", "a@2-", "0/0000"]


def test_where_no_rule_tells_videos_apart_the_way_out_is_said(tmp_path: Path) -> None:
    touch(tmp_path / "x/a.mp4", tmp_path / "y/a.mp4")
    message = refusal("name", tmp_path / "x", tmp_path / "y")
    assert "rename them, give ids of your own in a list, or prune them into separate" in message
    assert ids("name", tmp_path) == ["x/a", "y/a"]


def test_many_clashes_are_one_line_of_some_and_their_number(tmp_path: Path) -> None:
    shards(tmp_path, *(f"{number:02}" for number in range(12)), keys=100)
    message = refusal("name", f"{tmp_path}/*.tar")
    assert message.startswith("100 ids name several videos: '0000' (")
    assert message.count("'") == 20
    assert message.count("09.tar/0000.mp4 and 2 more)") == 1
    assert "and 90 more; give --ids tar" in message
