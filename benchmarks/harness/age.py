"""A check whether the code has changed since a benchmark measured it.

A digest is of the syntax tree without docstrings, so comments, layout and docstrings are free to
change.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from benchmarks.harness import catalogue

ROOT = Path(__file__).parents[2]


def digests(name: str, code: tuple[str, ...]) -> dict[str, str]:
    """Return digests of the benchmark's files and of the `evscli/` files it measures, by path."""
    own = [str(path.relative_to(ROOT)) for path in catalogue.files(name)]
    paths = [*own, *(f"evscli/{path}" for path in code)]
    return {path: digest((ROOT / path).read_text()) for path in paths}


@cache
def digest(source: str) -> str:
    """Return a digest of a module's code, equal in every version of Python."""
    return hashlib.sha256(repr(_form(ast.parse(source))).encode()).hexdigest()[:16]


def _form(node: object) -> object:
    if isinstance(node, ast.AST):
        fields = ((name, _form(value)) for name, value in ast.iter_fields(node))
        return type(node).__name__, [field for field in fields if field[1] not in ("None", [])]
    if isinstance(node, list):
        return [_form(each) for each in node if not _only_words(each)]
    return repr(node)


def _only_words(node: object) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def changed(recorded: Mapping[str, str]) -> list[str]:
    """Return the paths whose files are gone or differ from the record."""
    return [path for path, before in recorded.items() if _now(path) != before]


def _now(path: str) -> str | None:
    file = ROOT / path
    return digest(file.read_text()) if file.is_file() else None
