from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evscli.errors import UsageError
from evscli.train.tuning.conversations import read_conversations

VIDEOS = {"a", "day/b"}
GOOD: dict[str, Any] = {"video": "a", "question": "What color?", "answer": "red"}


def read(folder: Path, *lines: Any) -> Any:
    path = folder / "train.jsonl"
    path.write_text(
        "".join(f"{each if isinstance(each, str) else json.dumps(each)}\n" for each in lines)
    )
    return read_conversations(path, VIDEOS)


def test_a_question_with_its_answer_is_a_conversation(tmp_path: Path) -> None:
    numbered = {**GOOD, "answer": 1, "options": ["red", "blue"]}
    found = read(tmp_path, GOOD, "", numbered).found
    assert [one.messages[1]["content"] for one in found] == ["red", "blue"]
    user = found[0].messages[0]
    assert [part["type"] for part in user["content"]] == ["video", "text"]
    assert user["content"][1]["text"] == "What color?"


def test_messages_are_taken_as_they_are(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]
    (one,) = read(tmp_path, {"video": "day/b", "messages": messages}).found
    assert (one.video, list(one.messages)) == ("day/b", messages)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "this is not JSON"),
        ("[1]", "not a JSON object"),
        ({**GOOD, "video": "c"}, "the store holds no video 'c'"),
        ({"question": "x", "answer": "y"}, "the store holds no video None"),
        ({**GOOD, "answer": " "}, "no answer to learn from"),
        ({"video": "a", "question": "x"}, "no answer to learn from"),
        ({**GOOD, "answer": 5, "options": ["x"]}, "no answer to learn from"),
        ({"video": "a", "answer": "x"}, "no question to learn from"),
        ({"video": "a", "messages": [{"role": "user", "content": "x"}]}, "no message is the"),
        ({"video": "a", "messages": "x"}, "must be a list"),
        ({"video": "a", "messages": [{"role": "user"}]}, "must be a list"),
    ],
)
def test_a_line_that_cannot_be_learned_from_is_left_out_with_the_reason(
    tmp_path: Path, line: Any, reason: str
) -> None:
    found = read(tmp_path, line, GOOD)
    assert len(found.found) == 1
    (why,) = found.left_out
    assert why.startswith(f"{tmp_path / 'train.jsonl'}:1: ")
    assert reason in why
    with pytest.raises(UsageError, match="holds no conversation about a video of the store"):
        read(tmp_path, line)
