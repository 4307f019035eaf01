from __future__ import annotations

import math
import unicodedata
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evscli.corpus.inputs.names import is_video, refuse_name, span_id, url_path, video_id
from evscli.errors import VideoError
from evscli.records import VideoInput

NAMES = st.text(st.characters(exclude_characters="/\0"), min_size=1).filter(
    lambda name: name not in (".", "..")
)
SECONDS = st.floats(0, 1e9, allow_nan=False)


@settings(deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=3).map("/".join))
def test_an_id_is_the_path_without_its_last_suffix_in_nfc(relative: str) -> None:
    expected = str(PurePosixPath(relative).with_suffix(""))
    assert video_id(relative) == unicodedata.normalize("NFC", expected)


@settings(deadline=None)
@given(SECONDS, st.none() | SECONDS)
def test_a_span_reads_back_from_its_id(start: float, end: float | None) -> None:
    whole, _, span = span_id("a@b-c", start, end).rpartition("@")
    first, _, last = span.partition("-")
    assert (whole, float(first)) == ("a@b-c", start)
    assert (float(last) if last else None) == end


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, "clip"),
        (12.5, 20.0, "clip@12.5-20"),
        (12.5, None, "clip@12.5-"),
        (None, 20.0, "clip@0-20"),
        (0.00001, 1e16, "clip@0.00001-10000000000000000"),
        (0.1 + 0.2, math.pi, "clip@0.30000000000000004-3.141592653589793"),
    ],
)
def test_a_span_is_written_in_the_fewest_digits(
    start: float | None, end: float | None, expected: str
) -> None:
    assert span_id("clip", start, end) == expected


def test_what_is_hidden_or_ends_otherwise_is_no_video() -> None:
    assert is_video("day 1/clip.MP4")
    for relative in (".clip.mp4", ".day/clip.mp4", "day/.x/clip.mp4", "clip.txt", "mp4", "a.tar"):
        assert not is_video(relative), relative


def test_a_web_address_is_named_without_query_password_and_quoting() -> None:
    url = "https://me:secret@host:8080/day%201/caf%C3%A9.mp4?signature=x/y#t"
    assert url_path(url) == Path("https://host:8080/day 1/café.mp4")
    assert url_path("s3://bucket/what%20?.mp4") == Path("s3://bucket/what%20?.mp4")


@pytest.mark.parametrize(
    ("video_id", "name", "words"),
    [
        ("a\nb", "a.mp4", "control character"),
        ("\udcff", "\udcff.mp4", "not UTF-8"),
        ("a", "\udcff.mp4", r"the name '\\udcff.mp4' is not UTF-8: rename"),
    ],
)
def test_a_name_that_no_store_can_keep_is_refused(video_id: str, name: str, words: str) -> None:
    video = VideoInput(id=video_id, path=Path("/in", name), root=Path("/in"))
    with pytest.raises(VideoError, match=words) as caught:
        refuse_name(video)
    assert caught.value.stage == "open"
    refuse_name(VideoInput(id="a", path=Path("/\udcff/a.mp4"), root=Path("/\udcff")))
