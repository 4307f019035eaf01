"""Selections for questions: by the question, inside the encoder, and with budgets in tokens."""

from __future__ import annotations

import pytest
import torch

from evscli.errors import UsageError
from evscli.evaluation.questions.multiple_choice import LoadedCheckpoint, load_both
from evscli.evaluation.questions.selecting import SelectedVideo, Selecting
from evscli.evaluation.selections import selections
from evscli.job import Encoding, Selection
from evscli.language.query import QueryEmbedder
from evscli.pipeline import VideoPruner, plan_video
from evscli.records import PrunedVideo, VideoInput
from tests.store.test_writer import same
from tests.videos import write_video

QUESTIONS = ("what color is the ball?", "how many times does the light flash?")


@pytest.fixture(scope="module")
def checkpoint() -> LoadedCheckpoint:
    return load_both(Encoding(device="cpu", dtype="float32"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> VideoInput:
    path = tmp_path_factory.mktemp("selecting") / "clip.mp4"
    write_video(path, frames=16, size=(96, 128))
    return VideoInput(id="clip", path=path, root=path.parent)


def chosen(
    checkpoint: LoadedCheckpoint, clip: VideoInput, selection: Selection
) -> list[list[tuple[PrunedVideo, range]]]:
    """The records of every selection with the questions that they are for."""
    selecting = Selecting(
        requests=selections(selection),
        queries=QueryEmbedder("mini"),
        query=selection.query,
        seed=selection.seed,
    )
    planned = plan_video(clip, checkpoint.encoder)
    video = SelectedVideo.decoded(planned, checkpoint.encoder, selecting)
    found: list[list[tuple[PrunedVideo, range]]] = [[] for _ in selecting.requests]
    for one in video.selections(QUESTIONS):
        found[one.number].append((one.record, one.questions))
    return found


def test_a_method_that_chooses_by_a_question_chooses_anew_for_each(
    checkpoint: LoadedCheckpoint, clip: VideoInput
) -> None:
    selection = Selection(methods=("cdpruner", "evs"), budgets=(0.2,))
    _, cdpruner, evs, _ = chosen(checkpoint, clip, selection)
    assert [questions for _, questions in cdpruner] == [range(1), range(1, 2)]
    assert [record.info.query for record, _ in cdpruner] == [*QUESTIONS]
    assert not torch.equal(cdpruner[0][0].keep_mask, cdpruner[1][0].keep_mask)
    assert [questions for _, questions in evs] == [range(2)]

    same_for_all = Selection(methods=("cdpruner",), budgets=(0.2,), query=QUESTIONS[1])
    _, fixed, _ = chosen(checkpoint, clip, same_for_all)
    assert all(same(record, cdpruner[1][0]) for record, _ in fixed)


def test_selections_are_those_of_the_pruner(checkpoint: LoadedCheckpoint, clip: VideoInput) -> None:
    selection = Selection(
        methods=("window-diff", "vcast", "evs:space=rgb,prune_at=input"),
        budgets=("24tok", "0.5"),
        prune_at=1,
        seed=3,
    )
    found = chosen(checkpoint, clip, selection)
    requests = selections(selection)
    places = [None, 1, 1, 1, 1, "input", "input", None, None]
    assert [one.prune_at for one in requests] == places
    pruner = VideoPruner(checkpoint.encoder, *requests, seed=3)
    for number, record in pruner.prune(clip):
        assert isinstance(record, PrunedVideo)
        ((ours, questions),) = found[number]
        assert questions == range(2)
        assert same(ours, record), requests[number]
    assert found[2][0][0].info.named_budget == "24tok"


def test_a_block_that_is_not_there_is_refused(checkpoint: LoadedCheckpoint) -> None:
    selection = Selection(methods=("vcast",), budgets=(0.5,), prune_at=9)
    with pytest.raises(UsageError, match="has blocks 0 to"):
        Selecting(requests=selections(selection)).check(checkpoint.encoder)
