"""Conversations about stored videos, read from a file of JSON lines.

    {"video": "clips/a.mp4", "messages": [{"role": "user", "content": "..."}, ...]}
    {"video": "clips/a.mp4", "question": "What color is the ball?", "answer": "red"}

`video` is an id in the store. `answer` is a text, or the number of one of `options`, counted from
0. Lines that cannot be learned from are left out, with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evscli.errors import UsageError

Messages = tuple[Mapping[str, Any], ...]


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


def read_conversations(path: Path, videos: Collection[str]) -> ReadConversations:
    """Read a file about the videos of a store, by their ids.

    Raises UsageError where the file cannot be read, or holds nothing to learn from.
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
                found.append(parse_conversation(line, videos))
            except UsageError as error:
                left_out.append(f"{path}:{number}: {error}")
    if not found:
        why = f"; {left_out[0]}" if left_out else ""
        raise UsageError(f"{path} holds no conversation about a video of the store{why}")
    return ReadConversations(found=tuple(found), left_out=tuple(left_out))


def parse_conversation(line: bytes, videos: Collection[str]) -> VideoConversation:
    """Return the conversation of a line. Raises UsageError where it cannot be learned from."""
    try:
        value = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise UsageError(f"this is not JSON ({error}); write one object a line") from None
    if not isinstance(value, dict):
        raise UsageError("this is not a JSON object; write one a line")
    video = value.get("video")
    if not isinstance(video, str) or video not in videos:
        raise UsageError(f"the store holds no video {video!r}; give its id as `evs inspect` does")
    return VideoConversation(video=video, messages=messages_of(value))


def messages_of(value: Mapping[str, Any]) -> Messages:
    """Return the messages of a line: its own, or its question and answer. Raises UsageError."""
    if "messages" in value:
        messages = value["messages"]
        if not isinstance(messages, list) or not all(map(is_message, messages)):
            raise UsageError('"messages" must be a list of {"role": ..., "content": ...}')
        if not any(message["role"] == "assistant" for message in messages):
            raise UsageError("no message is the assistant's, so there is no answer to learn")
        return tuple(messages)
    question, answer = value.get("question"), value.get("answer")
    options = value.get("options")
    if type(answer) is int and isinstance(options, list) and 0 <= answer < len(options):
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
