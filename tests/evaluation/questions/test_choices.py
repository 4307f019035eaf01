from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evscli.errors import UsageError
from evscli.evaluation.questions.choices import by_video, read_choices

GOOD: dict[str, Any] = {
    "video": "clips/a.mp4",
    "question": "What color is it?",
    "options": ["red", "blue"],
    "answer": "blue",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / "clips").mkdir(exist_ok=True)
        (tmp_path / "clips" / name).touch()
    return tmp_path


def write(folder: Path, *values: object) -> Path:
    path = folder / "list.jsonl"
    path.write_text("".join(f"{json.dumps(value)}\n" for value in values))
    return path


def test_a_line_becomes_a_question(folder: Path) -> None:
    (choice,) = read_choices(write(folder, {**GOOD, "kind": " color ", "source": "mine"}))
    assert (choice.video, choice.path) == ("clips/a.mp4", folder / "clips" / "a.mp4")
    assert (choice.question, choice.options) == ("What color is it?", ("red", "blue"))
    assert (choice.answer, choice.kind) == (1, "color")
    assert choice.where == f"{folder / 'list.jsonl'}:1"


def test_an_answer_may_be_a_number_counted_from_0_and_kind_be_left_out(folder: Path) -> None:
    (choice,) = read_choices(write(folder, {**GOOD, "answer": 0}))
    assert (choice.answer, choice.kind) == (0, "question")


def test_a_mark_at_the_start_empty_lines_and_other_line_ends_are_fine(folder: Path) -> None:
    line = json.dumps(GOOD).encode()
    path = folder / "list.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + line + b"\r\n\r\n  \n" + line)
    assert [choice.where.rpartition(":")[2] for choice in read_choices(path)] == ["1", "4"]


def test_spellings_of_one_path_are_one_video(folder: Path) -> None:
    paths = ["clips/a.mp4", "clips/b.mp4", "./clips/../clips/a.mp4", str(folder / "clips/a.mp4")]
    choices = read_choices(write(folder, *({**GOOD, "video": path} for path in paths)))
    assert [[c.video for c in group] for group in by_video(choices)] == [
        ["clips/a.mp4"] * 3,
        ["clips/b.mp4"],
    ]


def test_a_list_named_without_folder_is_found_beside_its_videos(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, GOOD)
    monkeypatch.chdir(folder)
    (choice,) = read_choices(Path("list.jsonl"))
    assert (choice.video, choice.where) == ("clips/a.mp4", "list.jsonl:1")


FAULTS: dict[str, tuple[object, str]] = {
    "no object": ([1], "not a JSON object; write"),
    "missing key": ({"video": "a", "options": []}, "missing 'question' and 'answer'; write"),
    "missing video": ({**GOOD, "video": "gone.mp4"}, '"gone.mp4"; paths are relative'),
    "a folder": ({**GOOD, "video": "clips"}, "no such video"),
    "a number for a video": ({**GOOD, "video": 3}, "'video' must be a text"),
    "a null byte": ({**GOOD, "video": "a\0b"}, "no such video"),
    "half a character": ({**GOOD, "video": "\ud800"}, "'video' holds half a character"),
    "half a kind": ({**GOOD, "kind": "\ud800"}, "'kind' holds half a character"),
    "empty question": ({**GOOD, "question": " "}, "'question' must be a text"),
    "one option": ({**GOOD, "options": ["blue"]}, "at least two"),
    "text for options": ({**GOOD, "options": "blue"}, "must be a list of texts"),
    "numbers for options": ({**GOOD, "options": [1, 2]}, "must be a list of texts"),
    "equal options": ({**GOOD, "options": ["red", "blue", "red "]}, "'red' is given twice"),
    "empty option": ({**GOOD, "options": ["red", ""]}, "an option is empty"),
    "answer elsewhere": ({**GOOD, "answer": "green"}, '"green" is not among the options'),
    "number too high": ({**GOOD, "answer": 2}, "from 0 to 1"),
    "negative number": ({**GOOD, "answer": -1}, "from 0 to 1"),
    "a truth value": ({**GOOD, "answer": True}, "true is not among"),
    "kind all": ({**GOOD, "kind": "all"}, "stands for all questions"),
    "kind no text": ({**GOOD, "kind": 3}, "'kind' must be a text"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line_with_its_place(folder: Path, fault: str) -> None:
    value, words = FAULTS[fault]
    path = write(folder, GOOD, value)
    with pytest.raises(UsageError) as caught:
        read_choices(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:2: ")
    assert words in message
    assert "; " in message, "the line must say what to do next"
    assert "\n" not in message


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"video": ', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        ("é".encode("latin-1"), "not UTF-8"),
        ('{"a": "b"}'.encode("utf-16"), "not UTF-8"),
    ],
)
def test_bytes_that_are_no_json_are_one_line_too(folder: Path, line: bytes, words: str) -> None:
    path = folder / "list.jsonl"
    path.write_bytes(line)
    with pytest.raises(UsageError, match=words) as caught:
        read_choices(path)
    assert str(caught.value).startswith(f"{path}:1: ")
    assert len(str(caught.value)) < 400


def test_a_list_that_is_empty_or_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "list.jsonl").write_text("\n \n")
    with pytest.raises(UsageError, match="holds no questions; write one a line"):
        read_choices(folder / "list.jsonl")
    with pytest.raises(UsageError, match=r"gone\.jsonl.*No such file"):
        read_choices(folder / "gone.jsonl")
    with pytest.raises(UsageError, match="Is a directory"):
        read_choices(folder)
