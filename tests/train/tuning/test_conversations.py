from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from evscli.encoders.files import find_model
from evscli.errors import UsageError
from evscli.train.tuning.conversations import read_conversations
from evscli.train.tuning.loaded import text_check

VIDEOS = {"a", "day/b"}
GOOD: dict[str, Any] = {"video": "a", "question": "What color?", "answer": "red"}
VIDEO = {"type": "video"}
ASKED = [VIDEO, {"type": "text", "text": "what color is the ball?"}]


def talk(asked: Any, answer: Any = "red", *, role: str = "user", **keys: Any) -> dict[str, Any]:
    """A line of one turn and its answer."""
    messages = [
        {"role": role, "content": asked},
        {"role": "assistant", "content": answer, **keys},
    ]
    return {"video": "a", "messages": messages}


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
    messages = [
        {"role": "system", "content": "x"},
        *talk([{"type": "video", "video": "b.mp4"}, {"text": "?"}], [{"text": "y"}])["messages"],
        {"role": "user", "content": "z"},
        {"role": "assistant", "content": None, "tool_calls": [{}]},
    ]
    (one,) = read(tmp_path, {"video": "day/b", "messages": messages}).found
    assert (one.video, list(one.messages)) == ("day/b", messages)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "this is not JSON"),
        ("[1]", "not a JSON object"),
        ({**GOOD, "video": "c"}, "no video has the id 'c'"),
        ({"question": "x", "answer": "y"}, "no video has the id None"),
        ({**GOOD, "question": "\ud800"}, "is half of a character"),
        ({"video": "a", "conversations": []}, '"conversations" has another form; write "messages"'),
        (talk("<video>\nwhat?"), "there are none; write [{"),
        (talk([VIDEO, VIDEO]), "there are 2, of user, user"),
        (talk("what?", [VIDEO, {"type": "text", "text": "red"}]), "there are 1, of assistant"),
        (talk([VIDEO, {"type": "image"}]), "an item is of type 'image'"),
        (talk([VIDEO, {"type": "text"}]), "an item of type text has no text"),
        (talk([{"type": "video", "text": 5}]), "an item of type video has no text"),
        (talk([VIDEO, "what?"]), "must be a text or a list of items"),
        (talk([VIDEO, 3]), "must be a text or a list of items"),
        (talk([[[VIDEO]]]), "must be a text or a list of items"),
        (talk(ASKED, 5), "must be a text or a list of items"),
        (talk(ASKED, " "), "an answer of the assistant is empty"),
        (talk(ASKED, []), "an answer of the assistant is empty"),
        (talk(ASKED, None), "an answer of the assistant is empty"),
        ({**GOOD, "answer": " "}, "no answer to learn from"),
        ({"video": "a", "question": "x"}, "no answer to learn from"),
        (
            {**GOOD, "answer": 1, "options": ["x"]},
            "answer 1 is none of 1 options; count them from 0",
        ),
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
    with pytest.raises(UsageError, match="holds no conversation that can be learned from"):
        read(tmp_path, line)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (talk(ASKED, "hello"), "mini does not know 'hello'"),
        (talk(ASKED, "red <|im_end|>"), "holds '<|im_end|>', which would steer the model"),
        (talk(ASKED, None, tool_calls=[{}]), "the chat template writes nothing of an answer"),
        (talk(ASKED, role="assistant"), "the conversation begins with the assistant"),
    ],
)
def test_what_a_checkpoint_cannot_read_is_refused_before_any_video(line: Any, reason: str) -> None:
    check = text_check(find_model("mini"))
    check(tuple(talk(ASKED)["messages"]))
    with pytest.raises(UsageError, match=re.escape(reason)):
        check(tuple(line["messages"]))


def test_a_line_that_a_check_refuses_is_left_out_with_the_reason(tmp_path: Path) -> None:
    def check(messages: Any) -> None:
        if messages[1]["content"] == "blue":
            raise UsageError("no blue")

    path = tmp_path / "train.jsonl"
    path.write_text("\n".join(json.dumps({**GOOD, "answer": each}) for each in ("blue", "red")))
    read = read_conversations(path, VIDEOS, check)
    assert [one.messages[1]["content"] for one in read.found] == ["red"]
    assert read.left_out == (f"{path}:1: no blue",)


def test_conversations_about_videos_that_were_not_stored_are_left_out(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD, {**GOOD, "video": "day/b"}, GOOD)
    left = found.about({"day/b"})
    assert [one.video for one in left.found] == ["day/b"]
    assert left.left_out == ("2 conversations about 'a', which the store does not hold",)
    assert found.about(VIDEOS).left_out == ()
    with pytest.raises(UsageError, match="no conversation is left to learn from: 2 conversations"):
        found.about(())
