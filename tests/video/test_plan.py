from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evscli.errors import VideoError
from evscli.records import FloatArray, IntArray
from evscli.video import index_video, plan_frames
from tests.videos import write_video


class EveryThird:
    """Rules in the shape that encoders provide: every third frame, pictures halved."""

    patch_size = 8
    temporal_patch_size = 2
    merge_size = 2

    def sample(self, frames: int, fps: float) -> IntArray:
        assert fps == 24
        return np.arange(0, frames, 3)

    def resized_size(self, frames: int, height: int, width: int) -> tuple[int, int]:
        self.asked = (frames, height, width)
        return height // 2, width // 2

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
