"""Videos that failed: a file of JSON lines per writer, and another of their tracebacks.

Tracebacks are long and seldom wanted, so they are read for one video only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from evscli.records import Failure
from evscli.store.codec import canonical_json, to_json
from evscli.store.durable import append_lines
from evscli.store.manifest import decode_lines
from evscli.store.schema import FAILURES, TRACEBACKS, lines_path, list_lines

TRACEBACK_BYTES = 16 << 20
"""The size in bytes of a file of tracebacks from which on no more are added to it."""


@dataclass(frozen=True, kw_only=True)
class Traceback:
    """One line of a file of tracebacks."""

    id: str
    attempt: int
    traceback: str


def append_failure(folder: Path, writer: int, failure: Failure) -> None:
    """Append one failure durably, and its traceback to a file of its own where there is room.

    Only the holder of the writer's lock may call it. Raises OSError.
    """
    # A file's name need not be text; its failure has a line all the same.
    known = replace(failure, traceback=None)
    append_lines(lines_path(folder, FAILURES, writer), [_line(known)])
    path = lines_path(folder, TRACEBACKS, writer)
    full = path.exists() and path.stat().st_size >= TRACEBACK_BYTES
    if failure.traceback is not None and not full:
        line = Traceback(id=failure.id, attempt=failure.attempt, traceback=failure.traceback)
        append_lines(path, [_line(line)])


def read_traceback(folder: Path, failure: Failure) -> str | None:
    """Return the traceback of a failure, or None where no file holds it.

    Raises DamagedError.
    """
    advice = "delete this file; only the tracebacks of failures are lost"
    for path in list_lines(folder, TRACEBACKS):
        for line in decode_lines(path, Traceback, advice):
            if (line.id, line.attempt) == (failure.id, failure.attempt):
                return line.traceback
    return None


def read_failures(folder: Path) -> dict[str, Failure]:
    """Return the last failure of each video by id, finished since or not. Raises DamagedError."""
    last: dict[str, Failure] = {}
    advice = "delete this file; only the record of earlier failures is lost"
    for path in list_lines(folder, FAILURES):
        for failure in decode_lines(path, Failure, advice):
            if failure.id not in last or failure.attempt >= last[failure.id].attempt:
                last[failure.id] = failure
    return last


def _line(record: Failure | Traceback) -> str:
    values = to_json(record)
    return canonical_json({key: _readable(value) for key, value in values.items()})


def _readable(value: object) -> object:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
