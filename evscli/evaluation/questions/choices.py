"""Lists of multiple-choice questions about videos. Reading one opens no video.

A list has JSON lines, one question each:

    {"video": "clips/a.mp4", "question": "What color is the ball?",
     "options": ["red", "blue"], "answer": "red", "kind": "color"}

`video` is a path, relative to the list's own folder. `answer` is the text of the right option, or
its number counted from 0. `kind` may be left out. Other keys are ignored.

The model is asked the question alone, and the options are scored without being shown to it. To
show them, write them into the question and give their letters as options.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evscli.errors import UsageError
from evscli.evaluation.statistics.results import ALL
from evscli.texts import half_character

DEFAULT_KIND = "question"
EXAMPLE = (
    '{"video": "a.mp4", "question": "What color is the ball?", '
    '"options": ["red", "blue"], "answer": "red"}'
)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One question with its options."""

    where: str
    """FILE:LINE of the question, for messages."""
    video: str
    """The video's name in results: its path below the list's folder."""
    path: Path
    question: str
    options: tuple[str, ...]
    answer: int
    """The number of the right option."""
    kind: str


def read_choices(path: Path) -> list[Choice]:
    """Read the questions of the list at `path`, in its order.

    Raises UsageError, with file and line, for anything that is not as described above, and for a
    video that is not there.
    """
    try:
        text = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"cannot read {path} ({reason}); check the path") from error
    choices = [
        parse_choice(line, where=f"{path}:{number}", folder=path.parent)
        for number, line in enumerate(text.split(b"\n"), start=1)
        if line.strip()
    ]
    if not choices:
        raise UsageError(f"{path} holds no questions; write one a line, as {EXAMPLE}")
    return choices


def parse_choice(line: bytes, *, where: str, folder: Path) -> Choice:
    """Make a question of one line. Raises UsageError that begins with `where`."""
    try:
        value = parse_object(line)
        options = options_of(value)
        video, path = video_of(value, folder)
        return Choice(
            where=where,
            video=video,
            path=path,
            question=text_of(value, "question"),
            options=options,
            answer=answer_of(value, options),
            kind=kind_of(value),
        )
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None


def parse_object(line: bytes) -> dict[str, Any]:
    """Return the JSON object of a line, with every key it must have. Raises UsageError."""
    try:
        value = json.loads(line.decode())
    except UnicodeDecodeError:
        raise UsageError("this is not UTF-8; save the file as UTF-8") from None
    except (json.JSONDecodeError, RecursionError) as error:
        reason = getattr(error, "msg", "nested too deeply")
        column = f", column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise UsageError(f"this is not JSON ({reason}{column}); write {EXAMPLE}") from None
    if not isinstance(value, dict):
        raise UsageError(f"this is not a JSON object; write {EXAMPLE}")
    if missing := [
        name for name in ("video", "question", "options", "answer") if name not in value
    ]:
        raise UsageError(f"missing {' and '.join(map(repr, missing))}; write {EXAMPLE}")
    return value


def text_of(value: Mapping[str, Any], name: str) -> str:
    """Return a text that is not empty. Raises UsageError."""
    text = value[name]
    if not isinstance(text, str) or not text.strip():
        raise UsageError(f"{name!r} must be a text that is not empty, got {shown(text)}; write one")
    if half_character(text) is not None:
        raise UsageError(f"{name!r} holds half a character, got {text!a}; write it in UTF-8")
    return text.strip()


def video_of(value: Mapping[str, Any], folder: Path) -> tuple[str, Path]:
    """Return the video's name and path; different spellings of one path have one name."""
    given = text_of(value, "video")
    # Not resolve(): a symbolic link is a video of its own.
    path = Path(os.path.abspath(folder / given))  # noqa: PTH100
    if not path.is_file():
        raise UsageError(
            f"no such video: {shown(given)}; paths are relative to the folder of the list"
        )
    return Path(os.path.relpath(path, os.path.abspath(folder))).as_posix(), path  # noqa: PTH100


def options_of(value: Mapping[str, Any]) -> tuple[str, ...]:
    """Return at least two different texts. Raises UsageError."""
    options = value["options"]
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        raise UsageError(f"'options' must be a list of texts, got {shown(options)}; write one")
    stripped = tuple(option.strip() for option in options)
    if not all(stripped):
        raise UsageError("an option is empty; write it out or remove it")
    if len(stripped) < 2:
        raise UsageError(f"{len(stripped)} options leave no choice; give at least two")
    if twice := next((text for text in stripped if stripped.count(text) > 1), None):
        raise UsageError(f"option {twice!r} is given twice; remove one")
    return stripped


def answer_of(value: Mapping[str, Any], options: tuple[str, ...]) -> int:
    """Return the number of the right option, from its text or its number. Raises UsageError."""
    answer = value["answer"]
    if isinstance(answer, str) and answer.strip() in options:
        return options.index(answer.strip())
    if isinstance(answer, int) and not isinstance(answer, bool) and 0 <= answer < len(options):
        return answer
    raise UsageError(
        f"the answer {shown(answer)} is not among the options; give the text of one, or its number "
        f"from 0 to {len(options) - 1}"
    )


def kind_of(value: Mapping[str, Any]) -> str:
    """Return the kind on one line, "question" where none is given. Raises UsageError."""
    if value.get("kind") is None:
        return DEFAULT_KIND
    kind = " ".join(text_of(value, "kind").split())
    if kind == ALL:
        raise UsageError(f"the kind {ALL!r} stands for all questions; use another name")
    return kind


def shown(value: object) -> str:
    """Return a JSON value as text, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:60]}..."


def by_video(choices: Iterable[Choice]) -> Iterator[list[Choice]]:
    """Yield the questions of each video together, in the order of the videos' first questions."""
    groups: dict[str, list[Choice]] = {}
    for choice in choices:
        groups.setdefault(choice.video, []).append(choice)
    yield from groups.values()
