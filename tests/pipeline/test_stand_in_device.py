"""Selections where the tokens are: on the stand-in for a GPU, and what comes back from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from evscli.bundled import MINI_FOLDER
from evscli.encoders import VideoEncoder, load_encoder
from evscli.encoders.room import CHOSEN_HERE
from evscli.encoders.scorer import OWN_FILE, load_scorer
from evscli.pipeline import VideoPruner
from evscli.pruners import PruneRequest, check_selection
from evscli.records import (
    INPUT,
    KeptTokens,
    PruneAt,
    PrunedVideo,
    PruneInputs,
    VideoInput,
    VideoTokens,
    VideoWindows,
)
from tests.stand_in import GPU, OnGpu, StandIn, on_gpu

SELECTIONS: tuple[tuple[str, PruneAt | None], ...] = (
    ("vcast", None),
    ("evs", None),
    ("random", None),
    ("window-diff", 1),
    ("stts", 1),
    ("vcast", 1),
    ("surprise", INPUT),
)


@pytest.fixture(scope="module")
def encoder() -> VideoEncoder:
    return load_encoder("mini")


@pytest.fixture
def there(encoder: VideoEncoder, monkeypatch: pytest.MonkeyPatch) -> VideoEncoder:
    """The encoder on a device with room for tokens."""
    monkeypatch.setattr("evscli.encoders.room.token_room", lambda _: 1 << 40)
    monkeypatch.setattr("evscli.provenance.device_name", str)
    return on_gpu(encoder)


def pruned(encoder: VideoEncoder, clip: Path) -> list[PrunedVideo]:
    requests = [check_selection(name, 0.3, prune_at=at) for name, at in SELECTIONS]
    scorer = load_scorer(MINI_FOLDER / OWN_FILE, width=encoder.shape.width)
    pruner = VideoPruner(encoder, *requests, store_scores=True, scorer=scorer)
    results = dict(pruner.prune(VideoInput(id="clip", path=clip, root=clip.parent)))
    records = [results[number] for number in range(len(requests))]
    assert all(isinstance(record, PrunedVideo) for record in records), records
    return [record for record in records if isinstance(record, PrunedVideo)]


def test_records_are_those_of_the_cpu_and_only_kept_rows_come_back(
    encoder: VideoEncoder, there: VideoEncoder, clip: Path
) -> None:
    expected = pruned(encoder, clip)
    with StandIn() as device:
        records = pruned(there, clip)
    for ours, theirs in zip(records, expected, strict=True):
        assert ours.info == theirs.info
        tensors = ours.tensors()
        assert tensors.keys() == theirs.tensors().keys()
        for name, value in theirs.tensors().items():
            assert not isinstance(tensors[name], OnGpu), name
            assert torch.equal(tensors[name], value), name
    assert not any("landed" in wait.where for wait in device.seen), device.seen


def test_a_device_without_memory_for_a_method_leaves_it_to_the_cpu(
    encoder: VideoEncoder, there: VideoEncoder, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, places = pruned(encoder, clip)[:-1], list[str]()
    choose = PruneRequest.choose

    def fail(self: PruneRequest, tokens: VideoTokens | VideoWindows, inputs: PruneInputs) -> object:
        values = tokens.embeds if isinstance(tokens, VideoTokens) else tokens.states
        places.append(values.device.type)
        if isinstance(values, OnGpu):
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return choose(self, tokens, inputs)

    monkeypatch.setattr(PruneRequest, "choose", fail)
    monkeypatch.setattr("tests.pipeline.test_stand_in_device.SELECTIONS", SELECTIONS[:-1])
    with StandIn():
        records = pruned(there, clip)
    assert places == ["standin", "cpu"] * len(expected)
    assert all(record.info.notes[-1] == CHOSEN_HERE for record in records)
    for ours, theirs in zip(records, expected, strict=True):
        assert torch.equal(ours.keep_mask, theirs.keep_mask)
        assert torch.equal(ours.embeds, theirs.embeds)


def test_other_errors_of_a_method_are_not_tried_again(
    encoder: VideoEncoder, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(PruneRequest, "choose", fail)
    pruner = VideoPruner(encoder, check_selection("vcast", 0.3))
    (result,) = pruner.prune(VideoInput(id="clip", path=clip, root=clip.parent))
    assert "out of memory in prune" in str(result[1])


def test_tokens_that_a_device_has_no_room_for_come_back_with_a_note(
    encoder: VideoEncoder, there: VideoEncoder, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, empty = pruned(encoder, clip)[:-1], torch.empty

    def fail(*shape: Any, **form: Any) -> Tensor:
        if form.get("device") == GPU:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return empty(*shape, **form)

    monkeypatch.setattr("tests.pipeline.test_stand_in_device.SELECTIONS", SELECTIONS[:-1])
    monkeypatch.setattr(torch, "empty", fail)
    with StandIn() as device:
        records = pruned(there, clip)
    assert any("transfers" in wait.where and wait.kind == "download" for wait in device.seen)
    for ours, theirs in zip(records, expected, strict=True):
        assert ours.info == replace(theirs.info, notes=(CHOSEN_HERE, *theirs.info.notes))
        assert torch.equal(ours.embeds, theirs.embeds)


def test_methods_of_others_get_tokens_on_the_cpu(there: VideoEncoder, clip: Path) -> None:
    places: list[str] = []

    def own(tokens: VideoTokens, inputs: PruneInputs, budget: float) -> KeptTokens:
        del inputs, budget
        places.append(tokens.embeds.device.type)
        mask = torch.from_numpy(tokens.embeds.float().norm(dim=-1).numpy() > 0)
        return KeptTokens(mask=mask, expected=int(mask.sum()))

    with StandIn():
        record = VideoPruner(there, check_selection(own, 0.3))(
            VideoInput(id="clip", path=clip, root=clip.parent)
        )
    assert places == ["cpu"]
    assert record.info.notes == ()
