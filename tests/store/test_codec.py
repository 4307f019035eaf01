from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evscli.records import Failure, Part, RunConfig, SourceInfo, VideoInfo
from evscli.store.codec import (
    canonical_json,
    decoder,
    fingerprint,
    from_json,
    json_object,
    to_json,
)
from tests.store.samples import record

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
floats = st.floats(allow_nan=False, allow_infinity=False)
numbers = st.integers() | floats
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None)
@given(json_values)
def test_canonical_json_reads_back_as_the_same_value(value: Any) -> None:
    assert json.loads(canonical_json(value)) == value


@settings(deadline=None)
@given(st.dictionaries(texts, json_values, max_size=5))
def test_canonical_json_does_not_depend_on_the_order_of_keys(value: dict[str, Any]) -> None:
    turned = dict(reversed(value.items()))
    assert canonical_json(turned).encode() == canonical_json(value).encode()
    assert fingerprint(turned) == fingerprint(value)


def test_canonical_json_is_what_the_format_says() -> None:
    value = {"b": [1, 0.5, True, None], "a": MappingProxyType({"é": ("x",)})}
    assert canonical_json(value) == '{"a":{"é":["x"]},"b":[1,0.5,true,null]}'
    assert fingerprint({"a": 1}) == (
        "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {"a": [float("-inf")]}])
def test_canonical_json_refuses_what_has_no_json_text(value: Any) -> None:
    with pytest.raises(ValueError, match=r"JSON|utf-8"):
        canonical_json(value)


NOT_JSON: dict[str, str | bytes] = {
    "not a number": '{"a":NaN}',
    "infinity": '{"a":Infinity}',
    "beyond a float": '{"a":1e400}',
    "more digits than Python reads": '{"a":' + "9" * 5000 + "}",
    "array": "[1]",
    "number": "1",
    "nothing": "",
    "cut off": "{",
    "two values": "{}{}",
    "nested too deeply": '{"a":' + "[" * 100_000,
    "half a surrogate": '{"a":"\\ud800"}',
    "not UTF-8": b'{"a":"\xff"}',
    "byte order mark": "\ufeff{}",
}


@pytest.mark.parametrize("text", NOT_JSON.values(), ids=NOT_JSON)
def test_only_objects_of_real_json_are_parsed(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|truncated|(?i:utf-8)|out of range|recursion"):
        json_object(text)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"a":1e400}', "a"),
        ('{"options":{"tau":-1e400,"x":1}}', "options.tau"),
        ('{"a":{"b":[1,{"c":1e400}]}}', "a.b.1.c"),
        ('{"a":[' + "9" * 5000 + "]}", "a.0"),
    ],
)
def test_a_number_out_of_range_is_named_by_its_keys(text: str, key: str) -> None:
    with pytest.raises(ValueError, match=f"^key '{key}' is a number out of range$"):
        json_object(text)


@settings(deadline=None)
@given(st.binary(max_size=40) | st.text(max_size=40).map(lambda text: f'{{"id":{text}}}'))
def test_random_bytes_are_an_object_or_one_clear_error(text: bytes | str) -> None:
    with suppress(ValueError):
        assert type(json_object(text)) is dict
    with pytest.raises(ValueError, match=r"^.+$"):
        decoder(VideoInfo)(text)


@settings(deadline=None)
@given(st.dictionaries(texts, json_values, max_size=5))
def test_what_is_read_is_written_again_byte_for_byte(value: dict[str, Any]) -> None:
    text = canonical_json(value)
    assert canonical_json(json_object(text)) == text


def test_of_a_key_given_twice_the_last_counts() -> None:
    twice = '{"path":"a","size":1,"sha256":"0","size":2}'
    assert decoder(SourceInfo)(twice) == SourceInfo(path="a", size=2, sha256="0")


@dataclass(frozen=True)
class Later:
    """A record of a later release."""

    known: int
    new: int | None = None
    """What it adds."""


def test_a_new_optional_field_needs_nothing_but_itself() -> None:
    assert canonical_json(Later(1)) == '{"known":1}'
    assert canonical_json(Later(1, 2)) == '{"known":1,"new":2}'
    assert [decoder(Later)(text) for text in ('{"known":1}', '{"known":1,"new":2}')] == [
        Later(1),
        Later(1, 2),
    ]


def test_fields_of_the_first_stores_are_null_where_nothing_is_known() -> None:
    model = record().info.model
    part = Part(start=0.0, end=None, first_frame=0, source_seconds=1.0)
    assert to_json(replace(model, tokens_per_second=None))["tokens_per_second"] is None
    assert to_json(part) == {
        "start": 0.0,
        "end": None,
        "first_frame": 0,
        "source_seconds": 1.0,
        "segments": None,
    }


options = st.dictionaries(texts, st.booleans() | numbers | texts, max_size=3)
sizes = st.tuples(st.integers(1), st.integers(1))


@settings(deadline=None)
@given(
    options=options,
    size=sizes,
    fps=floats | st.integers(0, 1000),
    notes=st.lists(texts, max_size=2).map(tuple),
    tokens_per_second=st.none() | floats,
)
def test_a_description_survives_json(
    options: dict[str, Any],
    size: tuple[int, int],
    fps: float,
    notes: tuple[str, ...],
    tokens_per_second: float | None,
) -> None:
    info = record("a/é").info
    info = replace(
        info,
        options=options,
        source_size=size,
        source_fps=fps,
        notes=notes,
        model=replace(info.model, tokens_per_second=tokens_per_second),
    )
    assert from_json(VideoInfo, json.loads(canonical_json(info))) == info


def test_options_keep_their_types() -> None:
    info = replace(record().info, options={"i": 1, "f": 1.0, "b": True, "s": "1"})
    again = from_json(VideoInfo, json.loads(canonical_json(info))).options
    assert [type(value) for value in again.values()] == [bool, float, int, str]


def test_unknown_keys_of_a_later_release_are_left_alone() -> None:
    data = {"path": "a.mp4", "size": 1, "sha256": "0", "new": [1]}
    assert from_json(SourceInfo, data) == SourceInfo(path="a.mp4", size=1, sha256="0")


def test_keys_with_a_default_may_be_missing() -> None:
    assert from_json(RunConfig, {"settings": {"a": 1}}) == RunConfig(settings={"a": 1})


@pytest.mark.parametrize("key", [key for key in to_json(record().info) if key != "notes"])
def test_a_missing_key_is_named(key: str) -> None:
    data = to_json(record().info)
    del data[key]
    with pytest.raises(ValueError, match=f"key '{key}' is missing"):
        from_json(VideoInfo, data)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("id", 1),
        ("kept", 1.0),
        ("kept", True),
        ("kept", None),
        ("duration", "1"),
        ("grid_thw", [1, 2]),
        ("grid_thw", [1, 2, "3"]),
        ("grid_thw", "1x2x3"),
        ("source", "a.mp4"),
        ("source", {"path": "a.mp4", "size": "1", "sha256": "0"}),
        ("model", {}),
        ("options", []),
        ("options", {"a": None}),
        ("notes", "one"),
        ("notes", [1]),
    ],
)
def test_a_value_of_another_type_is_refused_by_key(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^key '{key}.*' (is missing|must be)|length"):
        from_json(VideoInfo, to_json(record().info) | {key: value})


def test_only_objects_become_dataclasses() -> None:
    with pytest.raises(ValueError, match="object"):
        from_json(Failure, ["a"])
