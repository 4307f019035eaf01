"""Lists of videos: one path a line, or rows with the columns path, id, query, start and end.

Rows come one by one: a list may be long. Parquet needs the extra `parquet`.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import dropwhile
from typing import IO, Any

from evscli.errors import UsageError

TEXTS, SECONDS = ("path", "id", "query"), ("start", "end")
COLUMNS = (*TEXTS, *SECONDS)
MORE = "\0"
"""The key of cells beyond the named columns."""

ROWS_PER_BATCH = 10_000
"""The number of rows of a Parquet file that are held as Python values at once."""

RowValues = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """One row of a list."""

    where: str
    """The file and line, for messages."""
    path: str
    """The path as it is written: relative to the list's folder, absolute, or an address."""
    id: str | None = None
    query: str | None = None
    start: float | None = None
    end: float | None = None


def read_list(file: IO[bytes], name: str, suffix: str) -> Iterator[Listed]:
    """Yield the rows of an open `.txt`, `.csv`, `.jsonl` or `.parquet` file.

    Messages call it `name`. Raises UsageError with the line that cannot be understood, and for a
    list without any row.
    """
    empty = True
    for where, row in READERS[suffix.lower()](file, name):
        empty = False
        yield listed(row, where)
    if empty:
        raise UsageError(f"{name} names no video: write one path a line")


def listed(row: RowValues, where: str) -> Listed:
    """Return one row, its values checked. Raises UsageError."""
    values = {name: value for name, value in row.items() if value not in (None, "")}
    for name, value in values.items():
        if name in SECONDS:
            values[name] = _seconds(value, f"{where}: {name}")
        elif name not in TEXTS:
            raise UsageError(f"{where}: unknown column {name!r}; a list has {', '.join(COLUMNS)}")
        elif not isinstance(value, str):
            raise UsageError(f"{where}: {name} must be a text, not {value!r}")
    if "path" not in values:
        raise UsageError(f"{where}: there is no path; fill the column path")
    start, end = values.get("start", 0.0), values.get("end", math.inf)
    if start >= end:
        raise UsageError(f"{where}: start {start:g} must lie before end {end:g}; correct the row")
    return Listed(where=where, **values)


def _seconds(value: object, where: str) -> float:
    try:
        if isinstance(value, bool):
            raise TypeError
        seconds = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise UsageError(f"{where} must be a number of seconds such as 12.5, not {value!r}")
    return seconds


def _text(file: IO[bytes], name: str, errors: str = "strict") -> Iterator[str]:
    """Yield the lines of a text in UTF-8."""
    lines = io.TextIOWrapper(file, encoding="utf-8-sig", errors=errors, newline="")
    try:
        yield from lines
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read {name} ({error}): give a text in UTF-8") from error
    finally:
        if not file.closed:
            lines.detach()  # whoever opened the file closes it


def _lines(file: IO[bytes], name: str) -> Iterator[tuple[str, RowValues]]:
    # A path is bytes: one that is not UTF-8 still names its file.
    for number, line in enumerate(_text(file, name, "surrogateescape"), start=1):
        text = line.strip()
        if "\0" in text:
            raise UsageError(f"{name} line {number} holds a zero byte: give a text in UTF-8")
        if text and not text.startswith("#"):
            yield f"{name} line {number}", {"path": text}


def _objects(file: IO[bytes], name: str) -> Iterator[tuple[str, RowValues]]:
    for number, line in enumerate(_text(file, name), start=1):
        where = f"{name} line {number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=partial(_once, where=where))
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{where} is not JSON ({error}): write one object a line") from None
        if not isinstance(row, dict):
            raise UsageError(f'{where} is not an object: write one such as {{"path": "clip.mp4"}}')
        yield where, row


def _once(pairs: list[tuple[str, Any]], *, where: str) -> dict[str, Any]:
    """Return a JSON object, or raise UsageError where a name stands in it twice."""
    values = dict(pairs)
    if len(values) < len(pairs):
        raise UsageError(f"{where} gives one name twice: give each column once")
    return values


def _check_head(columns: Sequence[str], name: str) -> None:
    """Raise UsageError for a first line of a CSV that does not name the columns."""
    if "path" not in columns:
        raise UsageError(
            f"{name}: the first line does not name the column path; begin it with the names of the "
            f"columns, of {', '.join(COLUMNS)}"
        )
    if len({*columns}) < len(columns):
        raise UsageError(f"{name} names a column twice in its first line: give each column once")


def _records(file: IO[bytes], name: str) -> Iterator[tuple[str, RowValues]]:
    told = dropwhile(lambda line: not line.strip(), _text(file, name))
    reader = csv.DictReader(told, restkey=MORE, strict=True)
    try:
        _check_head(reader.fieldnames or (), name)
        for row in reader:
            if MORE in row:
                raise UsageError(
                    f"{name} line {reader.line_num} has more cells than the first line names: put "
                    "cells that hold commas in quotes"
                )
            yield f"{name} line {reader.line_num}", row
    except csv.Error as error:
        raise UsageError(f"{name} line {reader.line_num} is not CSV ({error})") from None


def _table(file: IO[bytes], name: str) -> Iterator[tuple[str, RowValues]]:
    """Yield the rows of a Parquet file, a batch of one row group at a time.

    Tables of data sets hold captions, sizes and much else, so other columns are left out here, and
    not a mistake, as they are in a list that was written for `evs`.
    """
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise UsageError(
            f"{name} needs a package that is not installed: pip install 'evscli[parquet]'"
        ) from error
    try:
        with ParquetFile(file) as table:
            there = table.schema_arrow.names
            if "path" not in there:
                raise UsageError(
                    f"{name} has no column path (it has {', '.join(there)}); rename the one with "
                    "the videos' paths"
                )
            wanted = [column for column in COLUMNS if column in there]
            batches = table.iter_batches(batch_size=ROWS_PER_BATCH, columns=wanted)
            rows = (row for batch in batches for row in batch.to_pylist())
            for number, row in enumerate(rows, start=1):
                yield f"{name} row {number}", row
    except (ArrowException, OSError) as error:
        raise UsageError(f"{name} is not a whole Parquet file ({error}); write it again") from error


READERS: Mapping[str, Callable[[IO[bytes], str], Iterator[tuple[str, RowValues]]]] = {
    ".csv": _records,
    ".jsonl": _objects,
    ".parquet": _table,
    ".txt": _lines,
}
"""The readers of lists, by the ending of their names."""

LIST_SUFFIXES = frozenset(READERS)
