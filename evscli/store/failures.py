"""Videos that failed: one file of JSON lines per writer. It knows no shards."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from evscli.records import Failure
from evscli.store.codec import canonical_json, from_json, to_json
from evscli.store.durable import append_lines
from evscli.store.manifest import decode_lines
from evscli.store.schema import list_failures


def append_failure(path: Path, failure: Failure) -> None:
    """Append one failure durably. Only the holder of the writer's lock may. Raises OSError."""
    # A file's name need not be text; that it failed is worth a line all the same.
    values = {key: _readable(value) for key, value in to_json(failure).items()}
    append_lines(path, [canonical_json(values)])


def read_failures(folder: Path) -> dict[str, Failure]:
    """By id, the last failure of each video, finished since or not. Raises DamagedError."""
    last: dict[str, Failure] = {}
    advice = "delete this file; only the record of earlier failures is lost"
    for path in list_failures(folder).values():
        for failure in decode_lines(path, partial(from_json, Failure), advice):
            if failure.id not in last or failure.attempt >= last[failure.id].attempt:
                last[failure.id] = failure
    return last


def _readable(value: object) -> object:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
