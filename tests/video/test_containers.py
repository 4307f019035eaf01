from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from evscli.errors import VideoError
from evscli.video import Damaged, VideoIndex, index_video
from evscli.video.cursor import Cursor
from tests.video.containers import CONTAINERS, CUTS, FRAMES, Decoded, decode, write_clip
from tests.videos import rgb

LONG = {"at 90 %", "at 60 %"}


@pytest.fixture(scope="module", params=CONTAINERS)
def clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip in each container; read it, do not change it."""
    return write_clip(tmp_path_factory.mktemp("clip"), request.param)


def cut(path: Path, folder: Path, keep: float) -> Path:
    """A copy of which only a part of its bytes is left."""
    shorter = folder / path.name
    data = path.read_bytes()
    shorter.write_bytes(data[: max(20, int(len(data) * keep))])
    return shorter


def check(index: VideoIndex, truth: Decoded, numbers: list[int]) -> None:
    """Frames of an index equal those of a sequential decode."""
    with Cursor(index, wanted=np.array(numbers)) as cursor:
        for number in numbers:
            frame = cursor.frame(number)
            assert frame is not None, f"frame {number}: {cursor.error}"
            assert np.array_equal(rgb(frame), truth.pictures[number])


@pytest.mark.parametrize(
    "keep",
    [
        pytest.param(keep, id=name, marks=[pytest.mark.slow] if name in LONG else [])
        for name, keep in CUTS.items()
    ],
)
def test_frames_times_and_pixels_are_those_of_a_sequential_decode(
    clip: Path, tmp_path: Path, keep: float
) -> None:
    path = cut(clip, tmp_path, keep) if keep < 1 else clip
    try:
        truth = decode(path)
    except av.FFmpegError:
        truth = None
    kept = 0 if truth is None else min(truth.flagged, default=len(truth.pictures))
    if truth is None or not kept:
        for policy in Damaged:
            with pytest.raises(VideoError):
                index_video(path, damaged=policy)
        return
    for policy in (Damaged.trim, Damaged.skip):
        index = index_video(path, damaged=policy)
        assert index.frames == kept
        assert not len(index.damaged)
        known = [time for time in truth.times if time is not None]
        if len(known) == len(truth.times) and all(a < b for a, b in pairwise(known)):
            assert index.pts.tolist() == known[:kept]
        check(index, truth, list(range(kept)))
        check(index, truth, [kept // 2, kept // 3, kept - 1])
    if keep == 1:
        assert (kept, index.notes) == (FRAMES, ())
    if index.notes:
        with pytest.raises(VideoError, match=r"is damaged: .*; copy or download it again"):
            index_video(path, damaged=Damaged.fail)
    else:
        assert index_video(path, damaged=Damaged.fail).frames == kept


STATED = {
    "front.mp4": 0.6,
    "clip.mkv": 0.6,
    "vp8.webm": 0.6,
    "clip.flv": 0.6,
    "clip.avi": 0.8,
    "clip.wmv": 0.5,
    "clip.mxf": 0.6,
    "clip.ivf": 0.6,
}
"""Clips whose header states a length, and what is left of their bytes."""


@pytest.mark.parametrize("name", STATED)
def test_a_file_that_ends_before_its_header_says_is_noted_or_refused(
    tmp_path: Path, name: str
) -> None:
    path = cut(write_clip(tmp_path, name), tmp_path, STATED[name])
    stated = r"states 1\.\d\d s, its data ends at [01]\.\d\d s"
    (note,) = index_video(path).notes
    assert note.startswith("The video is damaged: ")
    with pytest.raises(VideoError, match=stated) as info:
        index_video(path, damaged=Damaged.fail)
    assert info.value.stage == "index"
    assert "--damaged trim" in str(info.value)
