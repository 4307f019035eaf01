from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evscli.errors import VideoError
from evscli.records import FloatArray, IntArray, Sampling
from evscli.video import index_video, plan_frames
from tests.videos import write_video


class EveryThird:
    """Rules in the shape that encoders provide: every third frame, pictures halved."""

    patch_size = 8
    temporal_patch_size = 2
    merge_size = 2
    sampling = Sampling()

    def sample(self, frames: int, fps: float) -> IntArray:
        assert fps == 24
        return np.arange(0, frames, 3)

    def resized_size(self, frames: int, height: int, width: int) -> tuple[int, int]:
        self.asked = (frames, height, width)
        return height // 2, width // 2

    def cells(self, height: int, width: int) -> tuple[int, int]:
        cell = self.patch_size * self.merge_size
        return height // cell, width // cell

    def prompt_times(self, source_index: IntArray, fps: float) -> FloatArray:
        return source_index[::2] / fps


def test_a_plan_holds_what_the_rules_say(tmp_path: Path) -> None:
    rules = EveryThird()
    index = index_video(write_video(tmp_path / "clip.mp4", frames=13, rotation=90))
    plan = plan_frames(index, rules)
    assert plan.source_index.tolist() == [0, 3, 6, 9, 12]
    assert plan.frame_times == pytest.approx(plan.source_index / 24)
    assert plan.prompt_times == pytest.approx([0, 6 / 24, 12 / 24])
    assert rules.asked == (5, 128, 96)
    assert plan.source_size == (128, 96)
    assert plan.resized_size == (64, 48)
    assert plan.grid_thw == (3, 4, 3)
    assert (plan.rotation, plan.source_fps, plan.source_frames) == (90, 24, 13)
    assert plan.duration == pytest.approx(13 / 24)


class Given(EveryThird):
    """Rules that choose the frames given."""

    def __init__(self, chosen: list[int]) -> None:
        self.chosen = np.array(chosen, dtype=np.int64)

    def sample(self, frames: int, fps: float) -> IntArray:
        assert frames > 0
        assert fps > 0
        return self.chosen


def test_real_times_differ_from_index_over_fps_at_variable_rate(tmp_path: Path) -> None:
    index = index_video(write_video(tmp_path / "clip.mkv", pts=[0, 40, 900, 1000]))
    assert plan_frames(index, Given([0, 2, 3])).frame_times == pytest.approx([0, 0.9, 1.0])


@pytest.mark.parametrize(("chosen", "match"), [([], "no frame"), ([0, 9], "has 9 frames")])
def test_impossible_choices_are_refused(tmp_path: Path, chosen: list[int], match: str) -> None:
    index = index_video(write_video(tmp_path / "clip.mp4", frames=9))
    with pytest.raises(VideoError, match=match) as info:
        plan_frames(index, Given(chosen))
    assert info.value.stage == "plan"


class EveryMillisecond(EveryThird):
    """Rules that see instants: five a second."""

    sampling = Sampling(fps=5, by="time")

    def sample(self, frames: int, fps: float) -> IntArray:
        self.saw = (frames, fps)
        return np.arange(0, frames, 200)


def test_by_time_takes_what_is_shown_at_even_instants(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv", pts=[0, 40, 400, 590, 800, 1000])
    rules = EveryMillisecond()
    plan = plan_frames(index_video(path), rules)
    assert rules.saw == (1041, 1000.0)
    assert plan.source_index.tolist() == [0, 1, 2, 3, 4, 5]
    assert plan.prompt_times == pytest.approx([0, 0.4, 0.8])


def test_by_time_repeats_a_picture_that_stands_still(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv", pts=[0, 100, 900, 1000])
    plan = plan_frames(index_video(path), EveryMillisecond())
    assert plan.source_index.tolist() == [0, 1, 1, 1, 1, 3]
    assert plan.frame_times.tolist() == [0, 0.1, 0.1, 0.1, 0.1, 1.0]


def test_by_time_counts_from_the_beginning_of_a_part(tmp_path: Path) -> None:
    index = index_video(write_video(tmp_path / "clip.mkv", pts=[0, 100, 500, 700, 1000, 1300]))
    plan = plan_frames(index, EveryMillisecond(), frames=range(2, 5))
    assert plan.source_index.tolist() == [2, 3, 3, 4]
    assert plan.prompt_times == pytest.approx([0, 0.4])


def test_a_part_is_sampled_at_a_rate_of_its_own(tmp_path: Path) -> None:
    times = [*range(0, 1000, 50), *range(1000, 3001, 250)]
    index = index_video(write_video(tmp_path / "clip.mkv", pts=times))
    asked: list[tuple[int, float]] = []

    class Asked(EveryThird):
        def sample(self, frames: int, fps: float) -> IntArray:
            asked.append((frames, fps))
            return np.arange(frames)

    for frames in (range(20), range(20, 28)):
        assert plan_frames(index, Asked(), frames=frames).source_fps == asked[-1][1]
    assert asked == [(20, 20.0), (8, 4.0)]


def test_frames_that_are_left_out_are_no_frames_to_the_rules(tmp_path: Path) -> None:
    index = index_video(write_video(tmp_path / "clip.mp4", frames=12))
    gap = replace(index, damaged=np.arange(3, 9))

    class Asked(EveryThird):
        def sample(self, frames: int, fps: float) -> IntArray:
            assert (frames, fps) == (6, 12.0)
            return np.arange(frames)

    plan = plan_frames(gap, Asked())
    assert plan.source_index.tolist() == [0, 1, 2, 9, 10, 11]
    assert (plan.source_frames, plan.damaged_frames, plan.source_fps) == (12, 6, 24)
    with pytest.raises(VideoError, match=r"nothing but damaged frames from 0\.17 s to 0\.33 s"):
        plan_frames(gap, Asked(), frames=range(4, 9))
