from __future__ import annotations

import json
from pathlib import Path

import pytest

from evscli.errors import UsageError
from evscli.evaluation.metrics.events import known_events

SAMPLES = Path(__file__).parents[3] / "sample_videos"


def test_the_sample_videos_have_events() -> None:
    (flash,) = known_events(SAMPLES / "fixed-camera.mp4")
    assert (flash.name, flash.start, flash.end) == ("lamp flash", 140, 152)


def test_a_video_that_nothing_is_known_of_has_none(tmp_path: Path) -> None:
    assert known_events(tmp_path / "clip.mp4") == ()
    (tmp_path / "truth.json").write_text("{}")
    assert known_events(tmp_path / "clip.mp4") == ()


@pytest.mark.parametrize(
    "text", ["no json", "[]", '{"clip.mp4": 3}', '{"clip.mp4": {"events": [{"name": "x"}]}}']
)
def test_a_malformed_one_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "truth.json").write_text(text)
    with pytest.raises(UsageError, match=r"truth\.json does not list events"):
        known_events(tmp_path / "clip.mp4")


def test_boxes_are_whole_numbers(tmp_path: Path) -> None:
    event = {"name": "x", "start": 1, "end": 2, "box": [0, 1, 2, 3]}
    (tmp_path / "truth.json").write_text(json.dumps({"clip.mp4": {"events": [event]}}))
    (found,) = known_events(tmp_path / "clip.mp4")
    assert list(found.box) == [0, 1, 2, 3]
