from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from evscli.mini.world.motion import (
    DARK,
    LONG_ENOUGH,
    NEEDED,
    SHORTEST_SCENE,
    apart,
    choose_axis,
    choose_cuts,
    choose_flashes,
    choose_moment,
    fits,
    move_camera,
    pace,
    sway,
)
from evscli.mini.world.scene import TEMPORAL_PATCH, Form, spans_of

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


@pytest.mark.parametrize("frames", [8, 15, 16, 20, 24, 64])
def test_scenes_are_long_enough_and_fill_the_video(frames: int) -> None:
    cuts = [choose_cuts(np.random.default_rng(seed), frames) for seed in range(200)]
    for each in cuts:
        spans = spans_of(each, frames)
        assert spans[0].start == 0
        assert spans[-1].stop == frames
        assert all(a.stop == b.start for a, b in pairwise(spans))
        if each:
            assert min(span.stop - span.start for span in spans) >= SHORTEST_SCENE
    numbers = {len(each) for each in cuts}
    assert numbers == (set(range(min(4, frames // 6))) if frames >= LONG_ENOUGH else {0})


@pytest.mark.parametrize("frames", [16, 17, 24, 33, 64])
def test_a_moment_lies_in_one_third_and_inside_one_scene(frames: int) -> None:
    thirds = set()
    for seed in range(200):
        rng = np.random.default_rng(seed)
        scenes = spans_of(choose_cuts(rng, frames), frames)
        moment = choose_moment(rng, frames, scenes, [])
        assert moment is not None
        third = int(3 * moment.start / frames)
        thirds.add(third)
        assert 3 * moment.start >= third * frames
        assert 3 * moment.stop <= (third + 1) * frames
        assert 1 <= moment.stop - moment.start <= 3
        assert moment.start >= TEMPORAL_PATCH
        assert any(s.start < moment.start and moment.stop < s.stop for s in scenes)
    assert thirds == {0, 1, 2}


def test_a_moment_across_a_border_does_not_fit() -> None:
    whole = [slice(0, 30)]
    assert fits(slice(6, 8), 0, 30, whole)
    assert not fits(slice(9, 11), 0, 30, whole)
    assert not fits(slice(10, 11), 1, 30, whole)  # touches the border
    assert not fits(slice(6, 8), 1, 30, whole)
    assert not fits(slice(0, 2), 0, 30, whole)  # in the first temporal patch
    assert not fits(slice(6, 8), 0, 30, [slice(0, 7), slice(7, 30)])  # across a cut


def test_moments_keep_apart_or_there_is_none() -> None:
    everywhere, others = [slice(0, 24)], [slice(4, 6), slice(18, 20)]
    found = [choose_moment(np.random.default_rng(n), 24, everywhere, others) for n in range(50)]
    moments = [moment for moment in found if moment is not None]
    assert moments
    assert all(apart(moment, other) for moment in moments for other in others)
    assert choose_moment(np.random.default_rng(0), 24, everywhere, everywhere) is None


@pytest.mark.parametrize("frames", [16, 23, 24, 64])
@pytest.mark.parametrize("count", [2, 3, 4])
def test_flashes_are_apart_and_leave_a_dark_temporal_patch_between(frames, count) -> None:
    for seed in range(100):
        flashes = choose_flashes(np.random.default_rng(seed), frames, count)
        assert len(flashes) == count
        assert flashes[0].start >= TEMPORAL_PATCH
        assert flashes[-1].stop <= frames
        for one, other in pairwise(flashes):
            assert other.start - one.stop >= DARK
            lit = {
                frame // TEMPORAL_PATCH for f in (one, other) for frame in range(f.start, f.stop)
            }
            between = range(one.stop // TEMPORAL_PATCH, other.start // TEMPORAL_PATCH + 1)
            assert set(between) - lit
