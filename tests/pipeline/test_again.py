"""A store of all tokens gives, without the encoder, what a run with another selection makes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from evscli import prune_video
from evscli.errors import UsageError
from evscli.pipeline.again import pruned_again
from evscli.pruners import check_selection
from evscli.pruners.seeds import video_seed
from evscli.records import OptionValue, PrunedVideo, PruneInputs
from tests.videos import write_video


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("again") / "clip.mp4", frames=24, size=(96, 128))


@pytest.fixture(scope="module")
def whole(clip: Path) -> PrunedVideo:
    return prune_video(clip, method="none", model="mini")


@pytest.mark.parametrize(
    ("method", "budget"),
    [("evs", 0.3), ("vcast", 0.25), ("surprise", 0.1), ("vidcom2", 0.5), ("random", 0.2)],
)
def test_it_is_what_a_run_with_that_selection_makes(
    clip: Path, whole: PrunedVideo, method: str, budget: float
) -> None:
    expected = prune_video(clip, method=method, budget=budget, model="mini")
    inputs = PruneInputs(seed=video_seed(0, whole.id))
    again = pruned_again(whole, check_selection(method, budget), inputs)
    assert again.info == dataclasses.replace(expected.info, notes=again.info.notes)
    ours, theirs = again.tensors(), expected.tensors()
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name


def test_a_store_without_all_tokens_is_refused(clip: Path) -> None:
    some = prune_video(clip, method="evs", budget=0.5, model="mini")
    with pytest.raises(UsageError, match="so no other selection can be made"):
        pruned_again(some, check_selection("vcast", 0.1))


@pytest.mark.parametrize(("method", "options"), [("window-diff", {}), ("evs", {"space": "rgb"})])
def test_a_method_that_needs_the_encoder_is_refused(
    whole: PrunedVideo, method: str, options: dict[str, OptionValue]
) -> None:
    with pytest.raises(UsageError, match="which a store does not have"):
        pruned_again(whole, check_selection(method, 0.5, options))
