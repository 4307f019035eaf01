"""Lists of videos: one path a line, or rows with the columns path, id and query.

Paths are relative to the list's folder, which is the input root of what lies below it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import dropwhile
from pathlib import Path
from typing import Any

from evscli.errors import UsageError

LIST_SUFFIXES = frozenset({".csv", ".jsonl", ".txt"})
COLUMNS = ("path", "id", "query")
MORE = "\0"
"""What cells beyond the named columns are put under."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One row of a list."""

    where: str
    """File and line, for messages."""
    path: Path
    id: str | None = None
    query: str | None = None


def read_list(path: Path) -> list[Listed]:
    """The rows of a `.txt`, `.csv` or `.jsonl` file.

    Raises UsageError with the line that cannot be understood, and for a list without any row.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            read = READERS[path.suffix.lower()](file, path)
            rows = [listed(row, path, where) for where, row in read]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the list {path} ({error}): give a text in UTF-8") from error
    if not rows:
        raise UsageError(f"the list {path} names no video: write one path a line")
    return rows


def listed(row: Mapping[str, Any], path: Path, where: str) -> Listed:
    """One row, its values checked."""
    values = {name: value for name, value in row.items() if value not in (None, "")}
    for name, value in values.items():
        if name not in COLUMNS:
            raise UsageError(f"{where}: unknown column {name!r}; a list has {', '.join(COLUMNS)}")
        if not isinstance(value, str):
            raise UsageError(f"{where}: {name} must be a text, not {value!r}")
    if "path" not in values:
        raise UsageError(f"{where}: there is no path; fill the column path")
    return Listed(
        where=where,
        path=path.parent / values["path"],
        id=values.get("id"),
        query=values.get("query"),
    )


def _lines(file: Iterable[str], path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    for number, line in enumerate(file, start=1):
        text = line.strip()
        if text and not text.startswith("#"):
            yield f"{path} line {number}", {"path": text}


def _objects(file: Iterable[str], path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(file, start=1):
        where = f"{path} line {number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=partial(_once, where=where))
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{where} is no JSON ({error}): write one object a line") from None
        if not isinstance(row, dict):
            raise UsageError(f'{where} is no object: write one such as {{"path": "clip.mp4"}}')
        yield where, row


def _once(pairs: list[tuple[str, Any]], *, where: str) -> dict[str, Any]:
    """A JSON object, each of whose names stands once."""
    values = dict(pairs)
    if len(values) < len(pairs):
        raise UsageError(f"{where} gives one name twice: give each column once")
    return values


def _check_head(names: Sequence[str], path: Path) -> None:
    """Raise UsageError for a first line of a CSV that does not name the columns."""
    if "path" not in names:
        raise UsageError(
            f"{path}: the first line does not name the column path; begin it with the names of the "
            f"columns, of {', '.join(COLUMNS)}"
        )
    if len({*names}) < len(names):
        raise UsageError(f"{path} names a column twice in its first line: give each column once")


def _records(file: Iterable[str], path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    told = dropwhile(lambda line: not line.strip(), file)
    reader = csv.DictReader(told, restkey=MORE, strict=True)
    try:
        _check_head(reader.fieldnames or (), path)
        for row in reader:
            if MORE in row:
                raise UsageError(
                    f"{path} line {reader.line_num} has more cells than the first line names: put "
                    "cells that hold commas in quotes"
                )
            yield f"{path} line {reader.line_num}", row
    except csv.Error as error:
        raise UsageError(f"{path} line {reader.line_num} is no CSV ({error})") from None


READERS = {".txt": _lines, ".jsonl": _objects, ".csv": _records}
