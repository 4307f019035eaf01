from __future__ import annotations

import io
import json
import os
import re
from pathlib import Path

import pytest

from evscli.corpus.inputs import find_videos
from evscli.corpus.inputs.names import refuse_name
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
    with pytest.raises(
        UsageError, match=r"'one' \(.*a\.mp4 asked 'a ball', .*a\.mp4 asked 'a star'\)"
    ):
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
        ("rows.jsonl", '{"path": "a.mp4"}\nno\n', "line 2 is not JSON"),
        ("rows.jsonl", '["a.mp4"]\n', "line 1 is not an object"),
        ("rows.jsonl", '{"path": 1}\n', "path must be a text, not 1"),
        ("rows.jsonl", '{"id": "x"}\n', "line 1: there is no path"),
        ("rows.jsonl", '{"path": "a.mp4", "begin": 1}\n', "unknown column 'begin'"),
        ("rows.jsonl", '{"path": "a.mp4", "start": true}\n', "start must be a number of seconds"),
        ("rows.jsonl", '{"path": "a.mp4", "end": NaN}\n', "end must be a number of seconds"),
        ("rows.jsonl", '{"path": "a.mp4", "end": 1e999}\n', "such as 12.5, not inf"),
        ("rows.jsonl", '{"path": "a.mp4", "end": 0}\n', "start 0 must lie before end 0"),
        ("rows.csv", "path,start,end\na.mp4,2,2\n", "line 2: start 2 must lie before end 2"),
        ("rows.csv", "path,start\na.mp4,-1\n", "start must be a number of seconds"),
        ("rows.csv", "path,start\na.mp4,00:01:30\n", "such as 12.5, not '00:01:30'"),
        ("rows.csv", "path\na.mp4,b.mp4\n", "line 2 has more cells"),
        ("rows.csv", 'path\n"a.mp4', "is not CSV"),
    ],
)
def test_a_row_that_means_nothing_is_named(folder: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(folder, name, text)
    assert words in str(caught.value)


def test_spans_of_one_video_have_ids_of_their_own(folder: Path) -> None:
    rows = [{"start": 12.5, "end": 20}, {"start": 3}, {"start": -0.0, "end": 3.25}, {}]
    lines = "".join(json.dumps({"path": "a.mp4", **row}) + "\n" for row in rows)
    table = "path,start,end\na.mp4,12.50,20\na.mp4,3,\na.mp4,-0,3.25\na.mp4,,\n"
    for name, text in (("rows.jsonl", lines), ("rows.csv", table)):
        videos = read(folder, name, text)
        assert [video.id for video in videos] == ["a@12.5-20", "a@3-", "a@0-3.25", "a"]
        spans = [(video.start, video.end) for video in videos]
        assert spans == [(12.5, 20), (3, None), (0, 3.25), (None, None)]
        assert len({video.path for video in videos}) == 1


def test_a_span_with_an_id_keeps_it_and_two_spans_cannot_share_one(folder: Path) -> None:
    rows = "path,id,start\na.mp4,one,1\na.mp4,one,1.0\n"
    assert [video.id for video in read(folder, "rows.csv", rows)] == ["one"]
    with pytest.raises(UsageError, match=r"'one' \(.*a\.mp4@1-, .*a\.mp4@2-\)"):
        read(folder, "rows.csv", rows + "a.mp4,one,2\n")


def test_absolute_paths_below_the_list_have_the_ids_of_relative_ones(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "list.txt").write_text(f"{folder}/day/b.mkv\n")
    monkeypatch.chdir(folder.parent)
    for given in (folder / "list.txt", "list/list.txt"):
        (video,) = find_videos([str(given)])
        assert (video.id, video.root) == ("day/b", folder)


def test_lines_on_standard_input_are_paths_from_the_current_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = io.BytesIO(f"day/b.mkv\n./a.mp4\n{folder}/day/b.mkv\n".encode())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(lines))
    monkeypatch.chdir(folder)
    videos = find_videos(["-"])
    assert [(video.id, video.path) for video in videos] == [
        ("day/b", Path("day/b.mkv")),
        ("a", Path("a.mp4")),
    ]
    with pytest.raises(UsageError, match="standard input names no video"):
        find_videos(["-"])
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UsageError, match="there is no standard input"):
        find_videos(["-"])


def test_a_line_that_is_no_utf8_names_its_file(folder: Path) -> None:
    name = os.fsdecode(b"caf\xe9.mp4")
    (folder / name).touch()
    (folder / "list.txt").write_bytes(b"a.mp4\ncaf\xe9.mp4\n")
    first, second = find_videos([str(folder / "list.txt")])
    assert second.path == folder / name
    refuse_name(first)
    with pytest.raises(VideoError, match="not UTF-8"):
        refuse_name(second)


def test_a_line_in_another_encoding_says_which_is_meant(folder: Path) -> None:
    (folder / "list.txt").write_bytes("caf\u00e9.mp4\n".encode("latin-1"))
    (video,) = find_videos([str(folder / "list.txt")])
    assert re.search(r"line 1: no such file: .*; write the list in UTF-8", str(video.fault))


def test_a_missing_file_is_a_video_that_fails_and_named_with_its_line(folder: Path) -> None:
    (folder / "dead.mp4").symlink_to("nowhere")
    text = "path,id\na.mp4,\nc.mp4,third\n1.tar,\nday,\ndead.mp4,\n"
    good, *missing = read(folder, "rows.csv", text)
    assert good.fault is None
    assert [video.id for video in missing] == ["third", "1", "day", "dead"]
    for line, name, video in zip((3, 4, 5), ("c.mp4", "1.tar", "day"), missing, strict=False):
        where = f"the list {folder}/rows.csv line {line}"
        assert str(video.fault) == f"{where}: no such file: {folder}/{name}; correct the path"
    assert "line 6: " in str(missing[-1].fault)
    assert "dead.mp4 is a link to nowhere, which is not there; fetch" in str(missing[-1].fault)


@pytest.mark.parametrize("name", ["list.txt", "list.csv", "list.jsonl"])
def test_bytes_that_are_no_text_are_refused(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(UsageError, match="in UTF-8"):
        find_videos([str(folder / name)])


def test_a_list_that_cannot_be_read_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    (folder / "list.txt").touch()
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UsageError, match=r"cannot read the list .*list\.txt \(Permission denied\)"):
        find_videos([str(folder / "list.txt")])
