from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from evscli.mini.world.scene import TEMPORAL_PATCH, spans_of
from evscli.mini.world.timing import (
    DARK,
    LONG_ENOUGH,
    SHORTEST_SCENE,
    apart,
    choose_cuts,
    choose_flashes,
    choose_moment,
    fits,
)


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
