from __future__ import annotations

import math

import pytest

from evscli.pruners.ops import frames
from evscli.pruners.ops.frames import parts
from tests.pruners.videos import noise


def test_parts_cover_the_video_and_share_the_count() -> None:
    assert list(parts(10, 4, 7, 16)) == [(0, 3, 2), (3, 6, 2), (6, 10, 3)]
    assert list(parts(3, 4, 5, 1)) == [(0, 1, 1), (1, 2, 2), (2, 3, 2)]
    assert list(parts(3, 4, 5, 12)) == [(0, 3, 5)]


def test_values_that_are_not_finite_are_found_in_every_chunk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frames, "_CACHED_VALUES", 2 * 3 * 5 * 16)
    for t in range(5):
        embeds = noise(5, 3, 5, 16)
        assert frames.all_finite(embeds)
        embeds[t, 1, 1, 1] = math.nan
        assert not frames.all_finite(embeds)
