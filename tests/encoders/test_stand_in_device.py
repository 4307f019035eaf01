"""Towers on the stand-in for a GPU: the tokens of the CPU, and how often the host waits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from evscli.encoders import VideoEncoder, load_encoder
from evscli.records import KeptTokens, WindowChoice
from tests.encoders.layouts import chunks_of, make_plan, random_frames
from tests.families import CASES
from tests.stand_in import OnGpu, StandIn, on_gpu

FRAMES, CHUNK = 24, 8
CHUNKS, PARTS = 3, 2
"""The chunks of the frames, and the parts of half of their windows."""
QUICK = ("smolvlm",)
OWN_READS = {"molmo2": 2}
"""Values that the model's own connector reads, each time it is called: to leave out padding."""
OWN_UPLOADS = {"llava_onevision": 1, "qwen2_5_vl": 1, "qwen2_5_omni_thinker": 1}
"""Uploads of a packed part beside those of all families: weights of neighbours, and windows."""


def family(name: str) -> object:
    return pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)


@pytest.fixture
def encoder(request: pytest.FixtureRequest, tmp_path: Path) -> VideoEncoder:
    folder = CASES[request.param].write(tmp_path / "model")
    return load_encoder(str(folder), dtype="float32", chunk_frames=CHUNK)


@pytest.mark.parametrize("encoder", [*map(family, CASES)], indirect=True)
def test_a_tower_mixes_no_devices_and_waits_for_no_more_than_copies_of_chunks(
    encoder: VideoEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, planes = encoder.info.model_type, encoder.info.deepstack_planes
    reads, there = OWN_READS.get(name, 0), on_gpu(encoder)
    plan = make_plan(encoder, FRAMES, 130, 200)
    chunks = chunks_of(random_frames(FRAMES, *plan.resized_size), 8, 8, 8)
    expected = encoder.encode(chunks, plan)
    with StandIn():
        tokens = there.encode(chunks, plan)  # constants and positions go there once
    with StandIn() as device:
        again = there.encode(chunks, plan)

    assert torch.equal(tokens.embeds, expected.embeds)
    assert torch.equal(again.embeds, expected.embeds)
    assert device.waits == counts(
        upload=CHUNKS, read=CHUNKS * reads, download=CHUNKS * (2 if planes else 1)
    ), device.seen

    generator = torch.Generator().manual_seed(0)
    mask = torch.rand(plan.grid_thw, generator=generator) < 0.5
    choice = WindowChoice(kept=KeptTokens(mask=mask, expected=int(mask.sum())))
    kept = encoder.finish(encoder.begin(chunks, plan, after=0), choice)
    each = 3 + OWN_UPLOADS.get(name, 0)  # its rows, and the rows and windows of tokens
    monkeypatch.setattr("evscli.encoders.room.token_room", lambda _: 1 << 40)
    with StandIn():
        there.begin(chunks, plan, after=0)  # the places of windows come back once
    for stay in (False, True):
        with StandIn() as device:
            prefix = there.begin(chunks, plan, after=0, stay=stay)
        moved = 0 if stay else len(prefix.states)
        assert device.waits == counts(upload=CHUNKS, download=CHUNKS * moved), device.seen
        with StandIn():
            assert isinstance(prefix.windows().states, OnGpu) is stay
            there.finish(prefix, choice)
        with StandIn() as device:
            tokens_kept = there.finish(prefix, choice)

        assert torch.equal(tokens_kept.embeds, kept.embeds)
        assert device.waits == counts(
            upload=PARTS * (each + moved),
            read=PARTS * reads,
            download=PARTS * (2 if planes else 1),
        ), device.seen

    kept = encoder.finish(encoder.hold(chunks, plan), choice)
    with StandIn() as device:
        held = there.hold(chunks, plan)
    assert device.waits == {}, "pixels wait on the CPU until windows are chosen"
    with StandIn():
        there.finish(held, choice)
    with StandIn() as device:
        tokens_kept = there.finish(held, choice)
    assert torch.equal(tokens_kept.embeds, kept.embeds)
    assert device.waits.get("read", 0) == PARTS * reads, device.seen
    assert device.waits["download"] == PARTS * (2 if planes else 1), device.seen
    # Pixels and rows of each call, and of each part the order of its rows beside what it has above.
    calls = device.waits["upload"] - PARTS * (each + 1)
    assert 0 < calls <= 2 * (CHUNKS + PARTS), device.seen


def counts(**numbers: int) -> dict[str, int]:
    """Waits by kind, without those that there are none of."""
    return {kind: number for kind, number in numbers.items() if number}


@pytest.mark.parametrize("encoder", ["qwen3_vl"], indirect=True)
def test_tokens_that_stay_are_not_brought_back(
    encoder: VideoEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, plan = on_gpu(encoder), make_plan(encoder, FRAMES, 130, 200)
    chunks = chunks_of(random_frames(FRAMES, *plan.resized_size), 8, 8, 8)
    expected = encoder.encode(chunks, plan, stay=True)
    size = expected.embeds.nbytes * (1 + encoder.info.deepstack_planes)
    for room, kind in ((size, OnGpu), (size - 1, torch.Tensor)):
        monkeypatch.setattr("evscli.encoders.room.token_room", lambda _, room=room: room)
        with StandIn() as device:
            tokens = there.encode(chunks, plan, stay=True)
            assert type(tokens.embeds) is kind
            assert ("download" in device.waits) is (kind is torch.Tensor)
            assert torch.equal(tokens.embeds.cpu(), expected.embeds)
            assert tokens.deepstack is not None
            assert expected.deepstack is not None
            assert torch.equal(tokens.deepstack.cpu(), expected.deepstack)


@pytest.mark.parametrize("encoder", ["qwen3_vl"], indirect=True)
def test_tokens_of_videos_encoded_together_stay_where_there_is_room_for_all(
    encoder: VideoEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, plan = on_gpu(encoder), make_plan(encoder, FRAMES, 130, 200)
    chunks = chunks_of(random_frames(FRAMES, *plan.resized_size), 8, 8, 8)
    videos = [(chunks, plan), (chunks, plan)]
    expected = encoder.encode_together(videos)
    size = 2 * expected[0].embeds.nbytes * (1 + encoder.info.deepstack_planes)
    for room, kind in ((size, OnGpu), (size - 1, torch.Tensor)):
        monkeypatch.setattr("evscli.encoders.room.token_room", lambda _, room=room: room)
        with StandIn():
            tokens = there.encode_together(videos, stay=True)
            assert [type(own.embeds) for own in tokens] == [kind, kind]
            for own, other in zip(tokens, expected, strict=True):
                assert torch.equal(own.embeds.cpu(), other.embeds)


@pytest.mark.parametrize("encoder", ["qwen3_vl"], indirect=True)
def test_frames_are_resized_on_the_device(encoder: VideoEncoder) -> None:
    slow = replace(encoder, resize_on_device=True)
    there, plan = on_gpu(slow), make_plan(encoder, FRAMES, 130, 200)
    (chunk,) = chunks_of(random_frames(FRAMES, 130, 200), FRAMES)
    expected = slow.encode([slow.resize(chunk, plan)], plan)
    with StandIn() as device:
        resized = there.resize(chunk, plan)
        assert isinstance(resized.pixels, OnGpu)
        tokens = there.encode([resized], plan)
    assert torch.equal(tokens.embeds, expected.embeds)
    assert device.waits["upload"] < 12
