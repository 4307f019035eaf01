"""Conversations about stored videos, read from a file of JSON lines.

    {"video": "clips/a.mp4", "messages": [{"role": "user", "content": "..."}, ...]}
    {"video": "clips/a.mp4", "question": "What color is the ball?", "answer": "red"}

`video` is an id of one of the videos, and one item of a user's turn stands for it. `answer` is a
text, or the number of one of `options`, counted from 0. Lines that cannot be learned from are left
out, with the reason, before anything is learned.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evscli.errors import UsageError
from evscli.texts import count_text, half_character

Messages = tuple[Mapping[str, Any], ...]

FORM = (
    '[{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "..."}]}, '
    '{"role": "assistant", "content": "..."}]'
)
"""The form of messages, for errors."""


@dataclass(frozen=True, kw_only=True)
class VideoConversation:
    """A conversation about one video."""

    video: str
    messages: Messages


@dataclass(frozen=True, kw_only=True)
class ReadConversations:
    """The conversations of a file, and the lines that were left out."""

    found: tuple[VideoConversation, ...]
    left_out: tuple[str, ...]
    """One reason for every line left out, which begins with FILE:LINE."""

    def about(self, videos: Collection[str]) -> ReadConversations:
        """Return those about these videos, and one reason for all about another video.

        Raises UsageError where none are left.
        """
        found = tuple(one for one in self.found if one.video in videos)
        gone = Counter(one.video for one in self.found if one.video not in videos)
        left_out = tuple(
            f"{count_text(count, 'conversation')} about {name!r}, which the store does not hold"
            for name, count in gone.items()
        )
        if not found:
            raise UsageError(f"no conversation is left to learn from: {left_out[0]}")
        return ReadConversations(found=found, left_out=left_out)


def read_conversations(
    path: Path,
    videos: Collection[str],
    check: Callable[[Messages], None] = lambda _: None,
) -> ReadConversations:
    """Read a file about some videos, by their ids.

    `check` raises UsageError for messages that a checkpoint cannot read (`text_check`). Raises
    UsageError where the file cannot be read, or holds nothing to learn from.
    """
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"cannot read {path} ({reason}); check the path") from error
    found, left_out = [], []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                conversation = parse_conversation(line, videos)
                check(conversation.messages)
                found.append(conversation)
            except UsageError as error:
                left_out.append(f"{path}:{number}: {error}")
    if not found:
        why = f"; {left_out[0]}" if left_out else ""
        raise UsageError(f"{path} holds no conversation that can be learned from{why}")
    return ReadConversations(found=tuple(found), left_out=tuple(left_out))


def parse_conversation(line: bytes, videos: Collection[str]) -> VideoConversation:
    """Return the conversation of a line. Raises UsageError where it cannot be learned from."""
    try:
        value = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise UsageError(f"this is not JSON ({error}); write one object a line") from None
    if not isinstance(value, dict):
        raise UsageError("this is not a JSON object; write one a line")
    if (piece := half_character(json.dumps(value, ensure_ascii=False))) is not None:
        raise UsageError(f"{piece!r} is half of a character; write the whole one")
    video = value.get("video")
    if not isinstance(video, str) or video not in videos:
        raise UsageError(
            f"no video has the id {video!r}; give it as `evs inspect` lists that of a stored "
            "video, or as --ids makes that of a file"
        )
    return VideoConversation(video=video, messages=messages_of(value))


def messages_of(value: Mapping[str, Any]) -> Messages:
    """Return the messages of a line: its own, or its question and answer. Raises UsageError."""
    if "messages" in value:
        messages = value["messages"]
        if not isinstance(messages, list) or not all(map(is_message, messages)):
            raise UsageError('"messages" must be a list of {"role": ..., "content": ...}')
        if not any(message["role"] == "assistant" for message in messages):
            raise UsageError("no message is the assistant's, so there is no answer to learn")
        check_turns(messages)
        return tuple(messages)
    if "conversations" in value:
        raise UsageError(f'"conversations" has another form; write "messages": {FORM}')
    question, answer = value.get("question"), value.get("answer")
    options = value.get("options")
    if type(answer) is int and isinstance(options, list):
        if not 0 <= answer < len(options):
            raise UsageError(
                f"answer {answer} is none of {len(options)} options; count them from 0"
            )
        answer = options[answer]
    for name, text in (("question", question), ("answer", answer)):
        if not isinstance(text, str) or not text.strip():
            raise UsageError(f"there is no {name} to learn from; give {name!r} as a text")
    return (
        {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": question}]},
        {"role": "assistant", "content": answer},
    )


def is_message(value: object) -> bool:
    """Return whether a value of JSON is a chat message."""
    return isinstance(value, dict) and isinstance(value.get("role"), str) and "content" in value


def check_turns(messages: Sequence[Mapping[str, Any]]) -> None:
    """Check that the user shows the video once, and that every answer says something.

    An answer without text may have a key of another kind, such as tool calls. Raises UsageError.
    """
    shown: list[str] = []
    for message in messages:
        role, items = message["role"], items_of(message["content"])
        shown += [role for item in items if item.get("type") == "video"]
        says = any(item.get("text", "").strip() for item in items)
        if role == "assistant" and not says and message.keys() <= {"role", "content"}:
            raise UsageError("an answer of the assistant is empty; give it a text")
    if shown != ["user"]:
        found = f"{len(shown)}, of {', '.join(shown)}" if shown else "none"
        raise UsageError(
            'one {"type": "video"} item of the user must stand for the video, and there are '
            f"{found}; write {FORM}"
        )


def items_of(content: object) -> list[Mapping[str, Any]]:
    """Return the items of a message's content. Raises UsageError for one that cannot be learned."""
    if content is None or isinstance(content, str):
        return [{"type": "text", "text": content or ""}]
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        raise UsageError(f"the content of a message must be a text or a list of items: {FORM}")
    for item in content:
        kind = item.get("type", "text")
        if kind not in ("text", "video"):
            raise UsageError(f"an item is of type {kind!r}; give items of type video and text")
        if not isinstance(item.get("text", "" if kind == "video" else None), str):
            raise UsageError(
                f'an item of type {kind} has no text; write {{"type": "text", "text": "..."}}'
            )
    return content
