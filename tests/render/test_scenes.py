"""Cuts between scenes, on the sample videos whose cuts are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from evscli import prune_video
from evscli.render.frames import cuts_of, find_cuts, glance
from evscli.video import index_video

SAMPLES = Path(__file__).parents[2] / "sample_videos"
TRUTH = json.loads((SAMPLES / "truth.json").read_text())


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=[] if path.stem == "hard-cuts" else pytest.mark.slow)
        for path in sorted(SAMPLES.glob("*.m??"))
    ],
)
def test_the_cuts_of_the_sample_videos_are_found_and_no_others(path: Path) -> None:
    record = prune_video(path, method="none")
    known = [event["start"] for event in TRUTH[path.name]["events"] if event["name"] == "cut"]
    index = record.source_index.numpy()
    expected = [int(np.searchsorted(index, start)) for start in known]
    assert cuts_of(record, index_video(path)) == expected
    assert len(expected) == (5 if path.stem == "hard-cuts" else 0)


@pytest.mark.slow
def test_without_a_source_nothing_is_said() -> None:
    record = prune_video(SAMPLES / "hard-cuts.mp4", method="none")
    assert cuts_of(record, None) == []


def test_frames_that_do_not_change_have_no_cut() -> None:
    still = glance(np.full((3, 40, 60), 100, dtype=np.uint8))
    other = glance(np.full((3, 40, 60), 200, dtype=np.uint8))
    assert still.shares.sum() == pytest.approx(1)
    assert still.means == pytest.approx(np.full((3, 9), 100))
    assert find_cuts([still] * 5) == []
    assert find_cuts([still, still, other, other]) == [2]
    assert find_cuts([still]) == []


def test_a_slow_fade_is_no_cut() -> None:
    fade = [glance(np.full((3, 40, 60), 58 + level, dtype=np.uint8)) for level in range(12)]
    assert find_cuts(fade) == []
