"""Cuts between scenes, on the sample videos whose cuts are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from evscli import prune_video
from evscli.render.frames import cuts_of
from evscli.render.scenes import find_cuts, histogram
from evscli.video import index_video

SAMPLES = Path(__file__).parents[2] / "sample_videos"
TRUTH = json.loads((SAMPLES / "truth.json").read_text())


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.m??")), ids=lambda path: path.stem)
def test_the_cuts_of_the_sample_videos_are_found_and_no_others(path: Path) -> None:
    record = prune_video(path, method="none")
    known = [event["start"] for event in TRUTH[path.name]["events"] if event["name"] == "cut"]
    index = record.source_index.numpy()
    places = [int(np.searchsorted(index, start)) for start in known]
    expected = sorted({-(-place // 2) for place in places if place < len(index)})
    assert cuts_of(record, index_video(path)) == expected
    assert len(expected) == (5 if path.stem == "hard-cuts" else 0)


def test_without_a_source_nothing_is_said() -> None:
    record = prune_video(SAMPLES / "hard-cuts.mp4", method="none")
    assert cuts_of(record, None) == []


def test_frames_that_do_not_change_have_no_cut() -> None:
    still = histogram(np.full((3, 40, 60), 100, dtype=np.uint8))
    other = histogram(np.full((3, 40, 60), 200, dtype=np.uint8))
    assert still.sum() == pytest.approx(1)
    assert find_cuts([still] * 5) == []
    assert find_cuts([still, still, other, other]) == [2]
    assert find_cuts([still]) == []
