"""Canonical JSON, and the conversion of records (frozen dataclasses and Structs) to JSON and back.

msgspec reads. It does not write, since its texts of floats (`1e16`) are not those of docs/format.md
(`1e+16`). A text that cannot be read raises ValueError with the name of the field; the caller adds
the file and what to do.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, TypeVar

import msgspec

from evscli.records import KEPT_AS_NULL

T = TypeVar("T")


def canonical_json(value: Any) -> str:
    """Return the one text for a JSON value: keys sorted, no spaces, escapes only where needed.

    Raises ValueError for NaN and infinities, and for text that is not valid UTF-8; TypeError for a
    value that is not JSON.
    """
    text = json.dumps(
        to_json(value),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )
    text.encode()
    return text


def fingerprint(settings: Mapping[str, Any]) -> str:
    """Return the sha256 of the canonical JSON of a run's settings, in hexadecimal."""
    return hashlib.sha256(canonical_json(settings).encode()).hexdigest()


def to_json(value: Any) -> Any:
    """Return a value in JSON's types: records as objects by field name, tuples as arrays.

    A field that is None by default is left out where it is None, unless it is `KEPT_AS_NULL`: so a
    new one changes no text that does not use it.
    """
    if isinstance(value, msgspec.Struct) or (is_dataclass(value) and not isinstance(value, type)):
        values = ((name, getattr(value, name), optional) for name, optional in _names(type(value)))
        return {
            name: to_json(item)
            for name, item, optional in values
            if not (optional and item is None)
        }
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    return value


@cache
def _names(kind: Any) -> list[tuple[str, bool]]:
    """Return the fields of a record, and whether each is left out where it is None."""
    if issubclass(kind, msgspec.Struct):
        return [(field.name, field.default is None) for field in msgspec.structs.fields(kind)]
    return [
        (field.name, field.default is None and field.metadata != KEPT_AS_NULL)
        for field in fields(kind)
    ]


def decoder(kind: type[T]) -> Callable[[str | bytes], T]:
    """Return a function that reads JSON texts as one kind of record, or as `dict`.

    Unknown keys are left alone, so a later release may add some. The function raises ValueError
    where a key without a default is missing, a value has another type, or a text is not JSON.
    """
    decode = msgspec.json.Decoder(kind).decode

    def read(text: str | bytes) -> T:
        try:
            return decode(text)
        except (msgspec.MsgspecError, RecursionError) as error:
            reason = _reason(error)
        if "out of range" in reason:
            with suppress(ValueError, RecursionError):
                reason = next(_out_of_range(json.loads(text, parse_int=float)), reason)
        raise ValueError(reason)

    return read


json_object: Callable[[str | bytes], dict[str, Any]] = decoder(dict[str, Any])
"""The function that reads the JSON object in a text."""


def from_json(kind: type[T], data: Any) -> T:
    """Return a record from its JSON object. Raises ValueError as a `decoder` does."""
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise ValueError(_reason(error)) from None


def _out_of_range(value: Any, key: str = "") -> Iterator[str]:
    """Yield the keys of numbers that no float holds, which msgspec does not name."""
    if isinstance(value, (dict, list)):
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _out_of_range(item, f"{key}.{name}")
    elif key and isinstance(value, float) and math.isinf(value):
        yield f"key {key.removeprefix('.')!r} is a number out of range"


def _reason(error: Exception) -> str:
    """Return msgspec's message with the field first: `key 'source.size' must be int, not str`."""
    what, _, where = str(error).replace("`", "").partition(" - at $")
    key = where.removeprefix(".")
    if missing := re.fullmatch("Object missing required field (.+)", what):
        return f"key {key + '.' * bool(key) + missing[1]!r} is missing"
    what = re.sub("^Invalid enum value (.+)$", r"is \1, which is not allowed", what)
    if key:
        return f"key {key!r} " + re.sub("^Expected (.+), got ", r"must be \1, not ", what)
    return what.replace("Expected object, got", "a JSON object was expected, not")
