from __future__ import annotations

import numpy as np
import pytest

from evscli.mini.world.motion import NEEDED, choose_axis, move_camera, pace, sway
from evscli.mini.world.scene import Form

FORM = Form(frames=24, cells=(4, 6))


def test_about_half_of_the_cameras_stand_still_and_none_goes_far() -> None:
    cameras = [move_camera(np.random.default_rng(seed), FORM, (8, 14)) for seed in range(300)]
    still = np.mean([not camera.any() for camera in cameras])
    height, width = FORM.size
    assert 0.4 < still < 0.6
    assert all(np.abs(camera[:, 0]).max() <= 0.125 * width + 1 for camera in cameras)
    assert all(np.abs(camera[:, 1]).max() <= 0.125 * height + 5 for camera in cameras)


def test_a_pan_over_a_large_picture_goes_far_but_leaves_much_in_view() -> None:
    large = Form(frames=24, cells=(9, 16))
    cameras = [move_camera(np.random.default_rng(seed), large, ()) for seed in range(300)]
    height, width = large.size
    far = max(np.ptp(camera[:, 0]) for camera in cameras)
    assert 0.4 * width < far <= min(0.45 * width, width - NEEDED) + 1
    assert max(np.ptp(camera[:, 1]) for camera in cameras) <= height - NEEDED + 1


@pytest.mark.parametrize("axis", [0, 1])
def test_across_a_pan_movers_go_the_other_way(axis: int) -> None:
    camera = np.zeros((10, 2), np.int64)
    camera[:, axis] = np.arange(-10, 10, 2)
    assert {choose_axis(np.random.default_rng(seed), camera) for seed in range(20)} == {1 - axis}


def test_a_still_camera_leaves_both_axes() -> None:
    camera = np.zeros((10, 2), np.int64)
    assert {choose_axis(np.random.default_rng(seed), camera) for seed in range(20)} == {0, 1}


@pytest.mark.parametrize("frames", [6, 8, 17, 64])
def test_a_pace_goes_all_the_way_and_never_back(frames: int) -> None:
    for seed in range(50):
        travel = pace(np.random.default_rng(seed), frames)
        assert len(travel) == frames
        assert travel[0] == 0
        assert travel[-1] == 1
        assert (np.diff(travel) >= 0).all()
        assert (np.diff(travel) > 0).sum() >= frames // 2 - 1


def test_a_sway_is_a_few_pixels() -> None:
    sways = [sway(np.random.default_rng(seed), 16) for seed in range(100)]
    assert max(np.abs(each).max() for each in sways) <= 10
    assert 0.3 < np.mean([not each.any() for each in sways]) < 0.7
