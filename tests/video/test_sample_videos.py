from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from evscli.video import index_video
from sample_videos import clips as sample_clips
from sample_videos import make
from tests.videos import Picture, rgb, sequential

FOLDER = Path(make.__file__).parent
TRUTH: dict[str, dict[str, Any]] = json.loads((FOLDER / "truth.json").read_text())
EVENTS = [
    (name, event["name"], event)
    for name in ("fixed-camera.mp4", "variable-rate.mkv", "phone-rotated.mp4")
    for event in TRUTH[name]["events"]
]


@cache
def scripts() -> dict[str, sample_clips.Clip]:
    return {clip.name: clip for clip in sample_clips.clips()}


@cache
def decoded(name: str) -> tuple[list[Picture], set[str]]:
    """The pictures as shown, and the kinds of frames that hold them."""
    turns, pictures, kinds = TRUTH[name]["rotation"] // 90, [], set()
    for frame in sequential(FOLDER / name):
        pictures.append(np.rot90(rgb(frame), turns))
        kinds.add(av.video.frame.PictureType(frame.pict_type).name)
    return pictures, kinds


def shown(name: str) -> list[Picture]:
    return decoded(name)[0]


def inside(picture: Picture, box: list[int]) -> np.ndarray:
    x0, y0, x1, y1 = box
    return picture[y0:y1, x0:x1].astype(float)


def test_the_clips_are_small_and_all_described() -> None:
    files = {path.name: path.stat().st_size for path in FOLDER.glob("*.m[pk][4v]")}
    assert files.keys() == TRUTH.keys()
    assert len(files) == 5
    assert sum(files.values()) < 5e6


@pytest.mark.parametrize("name", TRUTH)
def test_truth_tells_frames_size_rotation_and_times(name: str) -> None:
    truth, index = TRUTH[name], index_video(FOLDER / name)
    assert index.frames == truth["frames"] == len(truth["objects"]) == len(truth["times"])
    assert list(index.displayed_size) == truth["size"]
    assert index.rotation == truth["rotation"]
    assert index.times == pytest.approx(truth["times"], abs=0.001)
    assert 5 < index.duration < 12


@pytest.mark.parametrize("name", TRUTH)
def test_clips_hold_b_frames(name: str) -> None:
    assert decoded(name)[1] == {"I", "P", "B"}


@pytest.mark.parametrize("name", TRUTH)
def test_boxes_lie_in_the_picture(name: str) -> None:
    height, width = TRUTH[name]["size"]
    seen = [object_["box"] for objects in TRUTH[name]["objects"].values() for object_ in objects]
    for x0, y0, x1, y1 in seen + [event["box"] for event in TRUTH[name]["events"]]:
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height


@pytest.mark.slow
@pytest.mark.parametrize(("name", "what", "event"), EVENTS)
def test_an_event_changes_its_box_when_it_starts_and_when_it_ends(
    name: str, what: str, event: dict[str, Any]
) -> None:
    pictures = shown(name)
    before, first = (inside(pictures[event["start"] + step], event["box"]) for step in (-1, 0))
    last, after = (inside(pictures[event["end"] + step], event["box"]) for step in (-1, 0))
    quiet = np.abs(before - inside(pictures[event["start"] - 2], event["box"])).mean()
    assert np.abs(first - before).mean() > 2 * quiet, what
    assert np.abs(after - last).mean() > 2 * quiet, what


@pytest.mark.parametrize(("name", "what", "event"), EVENTS)
def test_an_event_is_brief_but_lasts_two_samples_at_4_fps(
    name: str, what: str, event: dict[str, Any]
) -> None:
    times = TRUTH[name]["times"]
    assert 0.39 < times[event["end"]] - times[event["start"]] < 0.61, what


@pytest.mark.slow
def test_cuts_replace_the_picture_at_once() -> None:
    pictures = [picture.astype(float) for picture in shown("hard-cuts.mp4")]
    steps = [np.abs(b - a).mean() for a, b in pairwise(pictures)]
    largest = sorted(np.argsort(steps)[-5:] + 1)
    assert largest == [event["start"] for event in TRUTH["hard-cuts.mp4"]["events"]]


def test_the_red_ball_is_where_its_box_is() -> None:
    pictures = shown("fixed-camera.mp4")
    for number in (40, 100, 160, 200):
        objects = {o["name"]: o["box"] for o in TRUTH["fixed-camera.mp4"]["objects"][str(number)]}
        red = pictures[number].astype(int)
        is_red = (red[..., 0] > 120) & (red[..., 0] > 2 * red[..., 1])
        rows, columns = np.nonzero(is_red)
        x0, y0, x1, y1 = objects["red ball"]
        within = (columns >= x0) & (columns < x1) & (rows >= y0) & (rows < y1)
        assert within.mean() > 0.98
        assert within.sum() > 0.3 * (x1 - x0) * (y1 - y0)


def test_real_times_leave_the_stated_rate_in_the_variable_clip() -> None:
    index = index_video(FOLDER / "variable-rate.mkv")
    gaps = np.diff(index.times)
    assert gaps.min() == pytest.approx(1 / 30, abs=0.001)
    assert gaps.max() == pytest.approx(1 / 5, abs=0.001)
    assert index.stated_rate == 30
    assert index.fps == pytest.approx(index.frames / index.duration)
    assert index.fps < 20


@pytest.mark.slow
@pytest.mark.parametrize("name", TRUTH)
def test_the_script_draws_what_the_files_hold(name: str) -> None:
    """Bytes may differ with another processor or encoder; pictures may not."""
    clip, number = scripts()[name], 70
    drawn, boxes = clip.shoot(number)
    assert np.abs(drawn.astype(float) - shown(name)[number]).mean() < 6
    assert make._seen(boxes, clip.size) == TRUTH[name]["objects"][str(number)]


@pytest.mark.slow
def test_the_same_clip_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    whole = scripts()["variable-rate.mkv"]
    clip = replace(whole, pts=whole.pts[:6], events=[])
    made = []
    for folder in (tmp_path / "first", tmp_path / "second"):
        folder.mkdir()
        truth = make.make(clip, folder)
        made.append(((folder / clip.name).read_bytes(), truth))
    assert made[0] == made[1]
