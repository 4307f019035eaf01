"""Cuts between scenes, on the sample videos whose cuts are known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from evscli.encoders import VideoEncoder, load_encoder
from evscli.records import PrunedVideo
from evscli.render.frames import cuts_of, find_cuts, glance
from evscli.video import VideoIndex, index_video, plan_frames
from tests.store import samples

SAMPLES = Path(__file__).parents[2] / "sample_videos"
TRUTH = json.loads((SAMPLES / "truth.json").read_text())


@pytest.fixture(scope="module")
def encoder() -> VideoEncoder:
    return load_encoder("mini")


def sampled(source: VideoIndex, encoder: VideoEncoder) -> PrunedVideo:
    """A record of the frames of `source` that the encoder samples."""
    plan = plan_frames(source, encoder.rules)
    return replace(
        samples.record(),
        source_index=torch.from_numpy(plan.source_index),
        frame_times=torch.from_numpy(plan.frame_times),
        prompt_times=torch.from_numpy(plan.prompt_times),
    )


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=[] if path.stem == "hard-cuts" else pytest.mark.slow)
        for path in sorted(SAMPLES.glob("*.m??"))
    ],
)
def test_the_cuts_of_the_sample_videos_are_found_and_no_others(
    path: Path, encoder: VideoEncoder
) -> None:
    source = index_video(path)
    record = sampled(source, encoder)
    known = [event["start"] for event in TRUTH[path.name]["events"] if event["name"] == "cut"]
    index = record.source_index.numpy()
    expected = [int(np.searchsorted(index, start)) for start in known]
    assert cuts_of(record, source) == expected
    assert len(expected) == (5 if path.stem == "hard-cuts" else 0)


@pytest.mark.slow
def test_without_a_source_nothing_is_said() -> None:
    assert cuts_of(samples.record(), None) == []


def test_frames_that_do_not_change_have_no_cut() -> None:
    still = glance(np.full((3, 40, 60), 100, dtype=np.uint8))
    other = glance(np.full((3, 40, 60), 200, dtype=np.uint8))
    assert still.shares.sum() == pytest.approx(1)
    assert still.means == pytest.approx(np.full((3, 9), 100))
    assert find_cuts([still] * 5) == []
    assert find_cuts([still, still, other, other]) == [2]
    assert find_cuts([still]) == []


def test_a_slow_fade_is_no_cut() -> None:
    fade = [glance(np.full((3, 40, 60), 58 + level, dtype=np.uint8)) for level in range(12)]
    assert find_cuts(fade) == []
