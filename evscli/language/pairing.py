"""Pairs of videos and prompts, made of whatever form the caller gave them.

Anything but a record, a question or a chat message is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from evscli.errors import UsageError
from evscli.language.prompt import as_messages
from evscli.language.turns import Messages
from evscli.records import PrunedVideo

Videos = PrunedVideo | Sequence[PrunedVideo]
Prompt = str | Messages


def pair_up(
    record: Videos | Sequence[Videos], prompt: Prompt | Sequence[Prompt]
) -> list[tuple[list[PrunedVideo], Messages]]:
    """Return one (videos, messages) pair per prompt.

    Raises UsageError where their numbers differ, or where they are no records and no prompts.
    """
    groups: Sequence[Any] = record if is_list(record) else [record]
    prompts: Any = prompt
    if isinstance(prompt, str) or (is_list(prompt) and prompt and isinstance(prompt[0], Mapping)):
        groups, prompts = [groups], [prompt]
    if not is_list(prompts):
        raise not_a_prompt(prompts)
    if len(groups) != len(prompts):
        raise UsageError(
            f"{len(prompts)} prompts for {len(groups)} records: a batch needs a list with one "
            "record, or list of records, per prompt"
        )
    return [pair(group, one) for group, one in zip(groups, prompts, strict=True)]


def pair(group: Any, prompt: Any) -> tuple[list[PrunedVideo], Messages]:
    """Return the videos and messages of one prompt."""
    videos = [*group] if is_list(group) else [group]
    for video in videos:
        if not isinstance(video, PrunedVideo):
            raise UsageError(
                f"a record must be a PrunedVideo, not {type(video).__name__}: pass a video of an "
                "opened store, or a list of them"
            )
    if not isinstance(prompt, str):
        check_messages(prompt)
    return videos, as_messages(prompt, len(videos))


def check_messages(messages: Any) -> None:
    """Raise UsageError unless these are chat messages as chat templates take them."""
    if not is_list(messages):
        raise not_a_prompt(messages)
    for message in messages:
        if not isinstance(message, Mapping):
            raise not_a_prompt(message)
        content = message.get("content")
        if not is_content(content):
            raise UsageError(
                "the content of a chat message must be text, or a list of items such as "
                '{"type": "video"} and {"type": "text", "text": "what happens?"}: '
                f"change {type(content).__name__} to that"
            )


def is_content(content: Any) -> bool:
    """Return whether `content` can be the content of a message; None means an empty one."""
    if content is None or isinstance(content, str):
        return True
    return is_list(content) and all(
        isinstance(item, Mapping) and isinstance(item.get("text", ""), str) for item in content
    )


def is_list(value: object) -> TypeGuard[Sequence[Any]]:
    """Return whether `value` is a list of things; a text counts as one thing."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def not_a_prompt(value: object) -> UsageError:
    """Return the error for a value in a prompt's place."""
    return UsageError(
        "a prompt must be a question or a list of chat messages, not "
        f"{type(value).__name__}: pass the question as text"
    )
