"""Checks that a tokenizer reads a text as it was typed, and names the words it does not know.

A control token typed into a question would steer the model instead of being read, and a word
outside a closed vocabulary such as `mini`'s would reach the model as `<unk>`: both are refused.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from evscli.bundled import EXAMPLE_QUESTIONS, MINI_FOLDER
from evscli.errors import UsageError
from evscli.texts import half_character

GROUNDING_MARKS = frozenset(
    f"<|{kind}_{end}|>" for kind in ("object_ref", "box", "quad") for end in ("start", "end")
)
"""Special tokens for use within a text, around the name and the corners of an object
(arXiv 2409.12191): these may be typed."""

WORD = re.compile(r"\w+(?:['’]\w+)*")
MOST_NAMED = 8
MOST_EXAMPLES = 3
LONGEST_NAMED = 40
LEAST_ALIKE = 0.7  # below it the closest words to a typed one are seldom meant


@dataclass(frozen=True, kw_only=True)
class TypedToken:
    """A special token that a text was read as."""

    token: str
    """The token's name in the vocabulary."""
    text: str
    """The text that was typed for it."""
    word: str
    """The whole word around that."""


def check_texts(tokenizer: Any, texts: Iterable[str]) -> None:
    """Refuse texts that the tokenizer would not read as they were typed.

    Raises UsageError where they hold control tokens, words the tokenizer does not know, or
    characters that cannot be encoded. A tokenizer without unknown token knows every word.
    """
    control: list[str] = []
    unknown: dict[str, str] = {}
    for found in (token for text in texts for token in special_tokens(tokenizer, text)):
        if found.token == tokenizer.unk_token != found.text:  # "<unk>" may also be typed as such
            unknown.setdefault(found.word.lower(), found.word)
        elif found.token not in GROUNDING_MARKS:
            control.append(found.token)
    if control:
        raise UsageError(
            f"the text of a prompt holds {join_named(list(dict.fromkeys(control)))}, which would "
            "steer the model instead of being read: remove it"
        )
    if unknown:
        raise UsageError(unknown_message(tokenizer, [*unknown.values()]))


def special_tokens(tokenizer: Any, text: str) -> list[TypedToken]:
    """Return the special tokens that `text` is read as, in order; most texts have none."""
    check_encodable(text)
    added = tokenizer.added_tokens_decoder.items()
    special = {tokenizer.unk_token_id, *(number for number, token in added if token.special)}
    if special.isdisjoint(tokenizer(text, add_special_tokens=False)["input_ids"]):
        return []
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    words = [match.span() for match in WORD.finditer(text)]
    return [
        TypedToken(
            token=tokenizer.convert_ids_to_tokens(number),
            text=text[start:end].strip(),
            word=text[slice(*word_around(words, start, end))],
        )
        for number, (start, end) in zip(
            encoded["input_ids"], encoded["offset_mapping"], strict=True
        )
        if number in special
    ]


def check_encodable(text: str) -> None:
    """Raise UsageError for a byte of a command line that is not UTF-8, or half a character."""
    if (piece := half_character(text)) is not None:
        raise UsageError(
            f"the text of a prompt holds {piece!r}, which is not a character: type it in UTF-8"
        )


def word_around(words: Sequence[tuple[int, int]], start: int, end: int) -> tuple[int, int]:
    """Return the span of the word around start:end, so that the `t` of "don't" is named in full."""
    before = bisect_right(words, start, key=lambda word: word[0]) - 1
    holds = before >= 0 and end <= words[before][1]
    return words[before] if holds else (start, end)


def unknown_message(tokenizer: Any, words: Sequence[str]) -> str:
    """Return one line: which words are unknown, which known ones are near, what to ask instead."""
    known = known_words(tokenizer)
    named = join_named(words, [closest(word, known) for word in words[:MOST_NAMED]])
    name = tokenizer.name_or_path
    if not name or Path(name).resolve() != MINI_FOLDER.resolve():
        where = "they are those of its tokenizer.json"
        return f"the tokenizer {name!r} does not know {named}: use its {len(known)} words; {where}"
    examples = ", ".join(f'"{question}"' for question in EXAMPLE_QUESTIONS[:MOST_EXAMPLES])
    return (
        f"mini does not know {named}: use its {len(known)} words, digits and signs in questions "
        f"such as {examples}; `evs models --words` lists them"
    )


def closest(word: str, known: Sequence[str]) -> str:
    """Return the known words nearest to `word`, in brackets; empty where none is near."""
    near = get_close_matches(word[:LONGEST_NAMED].lower(), known, n=3, cutoff=LEAST_ALIKE)
    return f" (closest: {', '.join(map(repr, near))})" if near else ""


def join_named(words: Sequence[str], notes: Sequence[str] = ()) -> str:
    """Return the first of `words` quoted, each with its note, and how many more there are."""
    shown = [
        repr(word if len(word) <= LONGEST_NAMED else f"{word[:LONGEST_NAMED]}...")
        for word in words[:MOST_NAMED]
    ]
    named = [word + note for word, note in zip(shown, notes or [""] * len(shown), strict=True)]
    if len(words) > len(named):
        named.append(f"{len(words) - len(named)} more")
    return " and ".join([", ".join(named[:-1]), named[-1]] if named[1:] else named)


def known_words(tokenizer: Any) -> list[str]:
    """Return entries of the vocabulary that are read as themselves if typed alone, words first."""
    numbers = tokenizer.get_vocab()
    read = tokenizer([*numbers], add_special_tokens=False)["input_ids"]
    typeable = [
        word
        for (word, number), ids in zip(numbers.items(), read, strict=True)
        if ids == [number] and number not in tokenizer.added_tokens_decoder
    ]
    return sorted(typeable, key=lambda word: (not word.isalpha(), word))


def mini_words() -> list[str]:
    """Return every word, digit and sign that the bundled `mini` understands."""
    return known_words(AutoTokenizer.from_pretrained(MINI_FOLDER))
