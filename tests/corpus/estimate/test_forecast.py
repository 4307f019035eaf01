from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evscli.corpus.estimate.forecast import Forecast, decoding_of, frames_passed
from evscli.encoders import load_encoder
from evscli.pipeline import PlannedVideo, plan_video
from evscli.records import Sampling, VideoInput


@pytest.fixture
def planned(clip: Path) -> PlannedVideo:
    """48 frames with a key frame every 12."""
    video = VideoInput(id="clip", path=clip, root=clip.parent)
    return plan_video(video, load_encoder("mini", sampling=Sampling(num_frames=4)))


@pytest.mark.parametrize(
    ("wanted", "passed"), [([0], 1), ([13], 2), ([0, 13, 30], 10), ([30, 30, 33], 10), ([47], 12)]
)
def test_frames_are_counted_from_the_key_frame_before(
    planned: PlannedVideo, wanted: list[int], passed: int
) -> None:
    object.__setattr__(planned.plan, "source_index", np.array(wanted))
    assert frames_passed(planned.index, planned.plan) == passed
    pixels = 96 * 128 * (passed + len(wanted))
    assert decoding_of(planned.index, planned.plan) == pixels


def test_forecasts_are_added_and_scaled() -> None:
    one = Forecast(seconds=1, frames=2, tokens=3, decoding=4)
    assert (one + one).scaled(2) == Forecast(seconds=4, frames=8, tokens=12, decoding=16)
