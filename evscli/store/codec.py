"""Canonical JSON, and frozen dataclasses to JSON values and back.

It knows no files: what cannot be decoded is a ValueError that names the key, and the caller adds
where it was found and what to do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, NoReturn, TypeVar, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")

_SCALARS = (bool, int, float, str)


def canonical_json(value: Any) -> str:
    """The one text for a JSON value: keys sorted, no spaces, nothing escaped that need not be.

    Raises ValueError for NaN and infinities, and for text that is not valid UTF-8; TypeError for
    what is not JSON.
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
    """sha256 of the canonical JSON of a run's settings, in hexadecimal."""
    return hashlib.sha256(canonical_json(settings).encode()).hexdigest()


def parse_object(text: str | bytes) -> dict[str, Any]:
    """The JSON object in `text`. Raises ValueError for anything else, NaN included."""
    value = _DECODER.decode(text if isinstance(text, str) else text.decode())
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object was expected, not {type(value).__name__}")
    return value


LATER = frozenset(
    {
        "budget_rule",
        "compute_dtype",
        "damaged_frames",
        "kept",
        "part",
        "prune_at",
        "query",
        "size",
        "store_dtype",
        "store_max_error",
        "store_rms_error",
        "traceback",
        "whole",
    }
)
"""Keys that stores have since they say something; older ones lack them."""


def to_json(value: Any) -> Any:
    """Dataclasses and mappings as objects by field name, tuples as arrays, the rest as it is.

    Fields that are in `LATER` are left out where they are None.
    """
    if is_dataclass(value) and not isinstance(value, type):
        values = {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
        return {key: item for key, item in values.items() if item is not None or key not in LATER}
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    return value


def from_json(kind: type[T], data: Any) -> T:
    """A frozen dataclass from its JSON object.

    Keys it does not know are left alone, so a later release may add some. Raises ValueError where a
    key without a default is missing, or a value has another type.
    """
    if not isinstance(data, dict):
        raise ValueError(f"an object was expected, not {data!r}")
    hints = _hints(cast(Any, kind))
    values = {
        field.name: _decode(hints[field.name], data[field.name], field.name)
        for field in fields(cast(Any, kind))
        if _present(field, data)
    }
    return kind(**values)


def _present(field: Field[Any], data: Mapping[str, Any]) -> bool:
    if field.name not in data and field.default is MISSING and field.default_factory is MISSING:
        raise ValueError(f"key {field.name!r} is missing")
    return field.name in data


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _decode(kind: Any, value: Any, key: str) -> Any:
    origin = get_origin(kind)
    if is_dataclass(kind):
        return from_json(cast(type, kind), value)
    if origin is UnionType:
        return _decode_union(kind, value, key)
    if origin is tuple:
        return _decode_tuple(kind, value, key)
    if origin is not None and issubclass(origin, Mapping):
        return _decode_mapping(kind, value, key)
    return _decode_scalar(kind, value, key)


def _decode_union(kind: Any, value: Any, key: str) -> Any:
    """Scalars keep the type JSON gave them; `X | None` is X or null."""
    choices = get_args(kind)
    if value is None and type(None) in choices:
        return None
    if type(value) in choices:
        return value
    return _decode(next(c for c in choices if c is not type(None)), value, key)


def _decode_tuple(kind: Any, value: Any, key: str) -> tuple[Any, ...]:
    items = get_args(kind)
    if not isinstance(value, list):
        raise ValueError(f"key {key!r} must be an array, not {value!r}")
    if items[-1] is Ellipsis:
        items = (items[0],) * len(value)
    if len(items) != len(value):
        raise ValueError(f"key {key!r} must have {len(items)} values, not {len(value)}")
    return tuple(_decode(item, part, key) for item, part in zip(items, value, strict=True))


def _decode_mapping(kind: Any, value: Any, key: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"key {key!r} must be an object, not {value!r}")
    item = get_args(kind)[1]
    if item is Any:
        return dict(value)
    return {name: _decode(item, part, f"{key}.{name}") for name, part in value.items()}


def _decode_scalar(kind: Any, value: Any, key: str) -> Any:
    if kind is float and type(value) is int:
        return float(value)
    if kind not in _SCALARS or type(value) is not kind:
        raise ValueError(f"key {key!r} must be {kind.__name__}, not {value!r}")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
