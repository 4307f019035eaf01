"""The spans of the assistant's turns in the text that a chat template makes of a conversation.

Nothing is asked of the template but that it writes what it is given: a character that stands
nowhere else is put into a message, and what is written around it is compared. Knows texts only: no
tokenizer, no videos.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evscli.errors import UsageError

Messages = Sequence[Mapping[str, Any]]
PRIVATE = range(0xE000, 0xF900)
"""Characters that mean nothing by themselves (Unicode's private use area)."""


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """A conversation as its template writes it."""

    text: str
    turns: tuple[tuple[int, int], ...]
    """The span of each of the assistant's turns in `text`: behind what a generation prompt would
    hold, up to and with its end-of-turn token."""


def write_conversation(
    messages: Messages, render: Callable[..., str], special: Collection[str]
) -> Conversation:
    """Write `messages` by `render(messages, add_generation_prompt=...)` and find the turns in it.

    `special` are the tokenizer's special tokens: the first behind what a turn says ends it. A
    template that leaves it out behind the last turn gets it added. Raises UsageError
    where the assistant says nothing, speaks first, or its turns cannot be found in the text.
    """
    answers = [
        number for number, message in enumerate(messages) if message.get("role") == "assistant"
    ]
    if not answers:
        raise UsageError(
            "the conversation has no assistant turn to learn from: add one, "
            '{"role": "assistant", "content": "..."}, or leave add_generation_prompt on'
        )
    if answers[0] == 0:
        raise UsageError("the conversation begins with the assistant: begin with the user's turn")
    template = Template(messages, render, special)
    turns = [template.turn(number) for number in answers]
    return Conversation(text=template.text, turns=tuple(turns))


class Template:
    """The text that a chat template makes of one conversation, taken apart."""

    def __init__(
        self, messages: Messages, render: Callable[..., str], special: Collection[str]
    ) -> None:
        self.messages = [*messages]
        self.render = render
        self.special = re.compile("|".join(map(re.escape, special)) or "(?!)")
        self.text = render(self.messages, add_generation_prompt=False)
        self.mark = next(chr(code) for code in PRIVATE if chr(code) not in self.text)

    def turn(self, number: int) -> tuple[int, int]:
        """Return the span of message `number`, the assistant's; its end is added if need be."""
        marked = replaced(self.messages, number, self.mark)
        before, after = self.around(marked)
        start = len(before) - self.beyond_prompt(number, marked)
        ending = self.ending(marked)
        end = len(self.text) - len(after)
        if not (self.text.startswith(before[:start]) and self.text.endswith(after)):
            raise not_found(number)
        if not after.startswith(ending):
            if number < len(self.messages) - 1 or after.strip():
                raise not_found(number)
            self.text = self.text[:end] + ending
        return start, end + len(ending)

    def around(self, marked: Sequence[Any]) -> tuple[str, str]:
        """Return the texts before and behind the mark in a conversation."""
        parts = self.render(marked, add_generation_prompt=False).split(self.mark)
        if len(parts) != 2:
            raise not_found(next(n for n, m in enumerate(marked) if m is not self.messages[n]))
        return parts[0], parts[1]

    def beyond_prompt(self, number: int, marked: Sequence[Any]) -> int:
        """Return how many characters stand between the generation prompt's end and the turn's text.

        There are some where a template begins answers with more than its prompt, such as the empty
        thoughts of a model that reasons. Both are compared behind the message before, so that it
        does not matter what a template does with earlier ones. Where a turn does not begin as the
        prompt does (a template may have a space more), only what it says is meant.
        """
        previous = extended(marked, number - 1, self.mark)
        parts = self.render(previous, add_generation_prompt=False).split(self.mark)
        prompt = self.render(previous[:number], add_generation_prompt=True).split(self.mark)
        if len(parts) != 3 or len(prompt) != 2:
            raise not_found(number)
        return len(parts[1]) - len(prompt[1]) if parts[1].startswith(prompt[1]) else 0

    def ending(self, marked: Sequence[Any]) -> str:
        """Return the end of the turn: all that follows it, up to and with the first special token.

        It is taken where one more message of the user follows, since a template may write the end
        of a turn only then. The end is empty where the template has no token for it.
        """
        _, after = self.around([*marked, {"role": "user", "content": "?"}])
        found = self.special.search(after)
        return after[: found.end()] if found else ""


def replaced(messages: Sequence[Any], number: int, text: str) -> list[Any]:
    """Return `messages` with `text` for what message `number` says."""
    content = messages[number].get("content")
    says = text if content is None or isinstance(content, str) else [as_item(text)]
    return [*messages[:number], {**messages[number], "content": says}, *messages[number + 1 :]]


def extended(messages: Sequence[Any], number: int, text: str) -> list[Any]:
    """Return `messages` with `text` behind what message `number` says."""
    content = messages[number].get("content") or ""
    says = content + text if isinstance(content, str) else [*content, as_item(text)]
    return [*messages[:number], {**messages[number], "content": says}, *messages[number + 1 :]]


def as_item(text: str) -> dict[str, str]:
    """Return a text as an item of a message's content."""
    return {"type": "text", "text": text}


def not_found(number: int) -> UsageError:
    """Return the error for a template that does not write a message as it is."""
    return UsageError(
        f"the chat template rewrites what message {number} says, so its tokens cannot be labelled: "
        "give a tokenizer or processor whose template writes the assistant's turns as they are"
    )
