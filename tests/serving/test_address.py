"""An address names a store, a video and a budget, as a URL or as a mapping."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evscli.errors import UsageError
from evscli.serving.address import VideoAddress

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
BUDGETS = st.sampled_from([None, "0.25", "256tok", "64tok/s"])


@given(store=NAMES, video_id=NAMES, budget=BUDGETS)
def test_a_url_is_read_as_it_was_written(store: str, video_id: str, budget: str | None) -> None:
    address = VideoAddress(store=store, id=video_id, budget=budget)
    assert VideoAddress.of_url(address.url) == address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("evs:store#clip", ("store", "clip", None)),
        ("evs:/data/my%20store#a/b", ("/data/my store", "a/b", None)),
        ("evs:///data/store#clip?budget=0.1", ("/data/store", "clip", "0.1")),
        ("evs:store#100%25%3F?budget=64tok/s", ("store", "100%?", "64tok/s")),
    ],
)
def test_urls_are_written_by_hand_too(url: str, expected: tuple[str, str, str | None]) -> None:
    found = VideoAddress.of_url(url)
    assert (found.store, found.id, found.budget) == expected


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("evs:store", "names no video of a store: write evs:STORE#ID"),
        ("evs:#clip", "names no video of a store"),
        ("file:/data/store#clip", "names no video of a store"),
        ("evs:store?budget=0.1#clip", "names no video of a store"),
        ("evs:store#clip?size=4", "asks for 'size=4': only budget=B may follow the id"),
        ("evs:store#clip?budget=", "asks for 'budget='"),
        ("evs:store#clip?budget=much", "budget 'much' is not understood"),
        ("evs:store#clip?budget=2", "must be above 0 and at most 1"),
        ("evs:store#clip?budget=0.1:0.2", "budget '0.1:0.2' is a range to draw from"),
        ("evs:store#cl\tip", "has a control character"),
        ("evs://[store#clip", "is not an address"),
        (f"evs:{'s' * 999}", "sss...' names no video"),
    ],
)
def test_another_url_is_refused(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        VideoAddress.of_url(url)


def test_a_mapping_holds_budgets_as_numbers_too() -> None:
    found = VideoAddress.of_mapping({"evs_store": "s", "id": "a", "budget": 0.25})
    assert found == VideoAddress(store="s", id="a", budget="0.25")
    assert VideoAddress.of_mapping({"evs_store": "s", "id": "a"}).budget is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"evs_store": "s"}, "the video has no id"),
        ({"evs_store": "s", "id": 3}, "the id of a video is a text, not int"),
        ({"evs_store": "s", "id": "a", "fps": 2}, "'fps' is not a key of a video"),
        ({"evs_store": "s", "id": "a", "budget": 0}, "must be above 0"),
        ({"evs_store": "s", "id": "a", "budget": True}, "budget"),
        ({"evs_store": 5, "id": "a"}, "a store is a path or a name, not int"),
    ],
)
def test_another_mapping_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        VideoAddress.of_mapping(values)
