from __future__ import annotations

import json
from pathlib import Path

import pytest

from evscli.corpus.inputs import find_videos
from evscli.errors import UsageError, VideoError
from evscli.records import VideoInput


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.mp4", "day/b.mkv", "../outside.mp4"):
        path = tmp_path / "list" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "list"


def read(folder: Path, name: str, text: str) -> list[VideoInput]:
    (folder / name).write_text(text, encoding="utf-8")
    return find_videos([str(folder / name)])


def test_lines_of_a_text_are_paths_below_its_folder(folder: Path) -> None:
    videos = read(folder, "list.txt", "# two clips\n\na.mp4\n  day/b.mkv  \n")
    assert [video.id for video in videos] == ["a", "day/b"]
    assert {video.root for video in videos} == {folder}


def test_a_path_outside_is_named_by_its_own_name(folder: Path) -> None:
    absolute = folder.parent / "outside.mp4"
    for given in ("../outside.mp4", absolute):
        (video,) = read(folder, "list.txt", f"{given}\n")
        assert video.id == "outside"
        assert video.path.samefile(absolute)
        assert video.path.relative_to(video.root) == Path("outside.mp4")


def test_a_video_is_asked_several_questions_under_several_ids(folder: Path) -> None:
    path = folder / "twice.csv"
    path.write_text("path,id,query\na.mp4,one,a ball\na.mp4,two,a star\na.mp4,two,a star\n")
    found = find_videos([str(path)])
    assert [(video.id, video.query) for video in found] == [("one", "a ball"), ("two", "a star")]
    path.write_text("path,id,query\na.mp4,one,a ball\na.mp4,one,a star\n")
    with pytest.raises(UsageError, match=r"is asked two questions under the id 'one'"):
        find_videos([str(path)])


def test_columns_give_ids_and_queries(folder: Path) -> None:
    rows = [{"path": "a.mp4", "query": "a red ball"}, {"path": "day/b.mkv", "id": "second"}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    table = "\ufeffpath,id,query\r\na.mp4,,a red ball\r\nday/b.mkv,second,\r\n"
    for name, text in (("rows.jsonl", lines), ("rows.csv", table)):
        first, second = read(folder, name, text)
        assert (first.id, first.query) == ("a", "a red ball")
        assert (second.id, second.query) == ("second", None)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("list.txt", "# nothing\n", "names no video"),
        ("rows.jsonl", '{"path": "a.mp4"}\nno\n', "line 2 is no JSON"),
        ("rows.jsonl", '["a.mp4"]\n', "line 1 is no object"),
        ("rows.jsonl", '{"path": 1}\n', "path must be a text, not 1"),
        ("rows.jsonl", '{"id": "x"}\n', "line 1: there is no path"),
        ("rows.jsonl", '{"path": "a.mp4", "start": "1"}\n', "unknown column 'start'"),
        ("rows.csv", "path\na.mp4,b.mp4\n", "line 2 has more cells"),
        ("rows.csv", 'path\n"a.mp4', "is no CSV"),
    ],
)
def test_a_row_that_means_nothing_is_named(folder: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(folder, name, text)
    assert words in str(caught.value)


def test_a_missing_file_is_named_with_its_line(folder: Path) -> None:
    with pytest.raises(VideoError, match=r"list\.txt line 2: no such file: .*c\.mp4"):
        read(folder, "list.txt", "a.mp4\nc.mp4\n")


def test_bytes_that_are_no_text_are_refused(folder: Path) -> None:
    (folder / "list.txt").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(UsageError, match="in UTF-8"):
        find_videos([str(folder / "list.txt")])
