from __future__ import annotations

import numpy as np
import pytest

from evscli.mini.world.views import FIRST_FRAME, QUESTION_ONLY, SHUFFLED, WHOLE, view_frames

FRAMES = np.arange(8 * 2 * 2 * 3, dtype=np.uint8).reshape(8, 2, 2, 3)


def test_the_first_frame_is_all_there_is() -> None:
    frames = view_frames(FRAMES, FIRST_FRAME, np.random.default_rng(0))
    assert frames.shape == FRAMES.shape
    assert (frames == FRAMES[0]).all()


def test_shuffled_frames_are_the_same_frames_in_another_order() -> None:
    frames = view_frames(FRAMES, SHUFFLED, np.random.default_rng(0))
    assert not np.array_equal(frames, FRAMES)
    assert sorted(f.tobytes() for f in frames) == sorted(f.tobytes() for f in FRAMES)


@pytest.mark.parametrize("view", [WHOLE, QUESTION_ONLY])
def test_other_views_leave_the_frames_alone(view: str) -> None:
    assert np.array_equal(view_frames(FRAMES, view, np.random.default_rng(0)), FRAMES)
