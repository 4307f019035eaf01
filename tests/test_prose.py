"""The prose of evs: docstrings begin with the thing they are about, in plain words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

MODULES = sorted((ROOT / "evscli").rglob("*.py"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

OPENERS = frozenset(
    "Of Under That With As Where In By To None For Those Because When Which Who Whom Whose What "
    "How Beside Behind Before After From On At Else Only Also And Or But If Until Without Within "
    "Than Said Told Maybe Mostly Not".split()
)
"""Words that begin a sentence which cannot be understood without the name above it."""

SPEECH = re.compile(
    r"\bso many\b"
    r"|\b(?:said|told)\b"
    r"|(?<!\bthere )\bis no (?!longer\b|more\b|less\b|fewer\b)[a-z]+",
    re.IGNORECASE,
)
"""Words for which there are plainer ones: a program reports, and is not another thing."""


@cache
def tree_of(path: Path) -> ast.Module:
    """Parse a module."""
    return ast.parse(path.read_text())


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of every text that stands alone: of a module, class, function, name."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield node.lineno, text


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of every string, those of an f-string with `{}` for each field."""
    parts = set[ast.AST]()
    for node in ast.walk(tree):  # an f-string comes before its parts
        if isinstance(node, ast.JoinedStr):
            parts |= set(node.values)
            text = (one.value if isinstance(one, ast.Constant) else "{}" for one in node.values)
            yield node.lineno, "".join(map(str, text))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in parts:
            yield node.lineno, node.value


def opener(text: str) -> str:
    """Return the first word of a text, without marks before it."""
    found = re.match(r"\W*([A-Za-z]+)", text)
    return "" if found is None else found[1]


def speech(text: str) -> list[str]:
    """Return every place where a text uses a word of `SPEECH`, with the words around it."""
    flat = " ".join(text.split())
    return [flat[max(0, m.start() - 30) : m.end() + 30] for m in SPEECH.finditer(flat)]


def test_docstrings_begin_with_what_they_are_about() -> None:
    offenders = [
        f"{path.relative_to(ROOT)}:{line}: {text.strip().splitlines()[0]}"
        for path in MODULES
        for line, text in docstrings(tree_of(path))
        if opener(text) in OPENERS
    ]
    assert offenders == []


def test_docstrings_and_messages_use_plain_words() -> None:
    offenders = [
        f"{path.relative_to(ROOT)}:{line}: {found}"
        for path in MODULES
        for line, text in texts(tree_of(path))
        for found in speech(text)
    ]
    assert offenders == []


def test_pages_use_plain_words() -> None:
    offenders = [
        f"{page.relative_to(ROOT)}: {found}" for page in PAGES for found in speech(page.read_text())
    ]
    assert offenders == []


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("At most so many frames.", True),
        ("a.mp4 is no video", True),
        ("it was told to end", True),
        ("There is no video in the folder, and {} is no longer there.", False),
        ("The message that it is not a video.", False),
    ],
)
def test_plain_words_are_those_without_riddles(text: str, bad: bool) -> None:
    assert bool(speech(text)) is bad


def test_an_attribute_is_read_as_its_docstring_and_an_f_string_as_one_text() -> None:
    tree = ast.parse('seconds: int\n"""Of one run."""\nraise ValueError(f"{seconds} is no number")')
    assert [opener(text) for _, text in docstrings(tree)] == ["Of"]
    assert [found for _, text in texts(tree) for found in speech(text)] == ["{} is no number"]
