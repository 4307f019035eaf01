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

VERBS = frozenset(
    "Add Allocate Answer Append Apply Ask Attach Begin Bring Change Check Choose Claim Clear "
    "Close Compact Compare Complete Compose Compute Copy Correlate Count Create Cut Decode Demux "
    "Digest Discard Divide Do Draw Encode End Enlarge Estimate Expand Fill Find Flush Forget "
    "Gather Give Go Group Hand Hang Have Hide Hold Identify Ignore Import Index Join Judge Keep "
    "Lay Learn Let List Load Make Mark Map Measure Merge Move Normalise Note Open Pack Paint Parse "
    "Pass Place Pool Prefill Print Prune Put Queue Raise Read Record Refuse Regroup Remove "
    "Replace Report Resize Resolve Restore Return Rotate Run Say Score Send Set Show Spread "
    "Start Stop Sum Survey Take Train Treat Try Turn Wait Wrap Write Yield".split()
)
"""Verbs in the imperative, one of which begins the docstring of every function."""

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


def of_functions(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of the docstring of every function that is not a property."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            decorators = map(ast.unparse, node.decorator_list)
            if text is not None and not any(name.endswith("property") for name in decorators):
                yield node.body[0].lineno, text


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


def is_order(text: str) -> bool:
    """Return whether a text begins with one of `VERBS`, which is not a noun before an "of"."""
    first, _, rest = text.partition(" ")
    return first.rstrip(".,:;") in VERBS and not rest.startswith("of ")


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


def test_docstrings_of_functions_begin_with_a_verb() -> None:
    offenders = [
        f"{path.relative_to(ROOT)}:{line}: {text.splitlines()[0]}"
        for path in MODULES
        for line, text in of_functions(tree_of(path))
        if not is_order(text)
    ]
    assert offenders == [], "begin with a verb, and add to VERBS one that is not there"


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


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("Return the frames that a budget keeps.", True),
        ("Flush, and release the store.", True),
        ("The frames that a budget keeps.", False),
        ("Whether a frame is kept.", False),
        ("[F] frame numbers.", False),
        ("Normalised patches of frames.", False),
        ("Digest of all that decides pixels.", False),
        ("Turns an error into another.", False),
    ],
)
def test_a_docstring_of_a_function_begins_with_a_verb_in_the_imperative(
    text: str, good: bool
) -> None:
    assert is_order(text) is good


def test_properties_are_described_and_functions_do_something() -> None:
    tree = ast.parse(
        """
class Clip:
    @property
    def frames(self) -> int:
        "The number of frames."

    @cached_property
    def seconds(self) -> float:
        "The length in seconds."

    @classmethod
    def of(cls) -> None:
        "One clip."

    async def play(self) -> None:
        "Play it."
"""
    )
    assert [text for _, text in of_functions(tree)] == ["One clip.", "Play it."]


def test_an_attribute_is_read_as_its_docstring_and_an_f_string_as_one_text() -> None:
    tree = ast.parse('seconds: int\n"""Of one run."""\nraise ValueError(f"{seconds} is no number")')
    assert [opener(text) for _, text in docstrings(tree)] == ["Of"]
    assert [found for _, text in texts(tree) for found in speech(text)] == ["{} is no number"]
