from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from evscli.encoders import VideoEncoder, load, load_encoder
from evscli.encoders.tower import encode_frames
from evscli.errors import DeviceError, DeviceLostError, UsageError, VideoError
from evscli.records import FrameChunk, Sampling
from tests.checkpoints import FAMILIES, make_checkpoint, make_model
from tests.encoders.layouts import chunks_of, make_plan, random_frames

SIZES = [(7, 130, 200), (16, 96, 96), (1, 64, 64), (5, 300, 170)]
"""Frames, height, width: odd frame counts, windows of one size and of four, one frame."""


@pytest.fixture(scope="module")
def encoders(checkpoints: dict[str, Path]) -> dict[str, VideoEncoder]:
    return {
        family: load_encoder(str(folder), device="cpu") for family, folder in checkpoints.items()
    }


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    return {family: make_model(family).model.visual for family in FAMILIES}


def forward(vision: Any, encoder: VideoEncoder, pixels: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Transformers' own vision forward on the same pixels: merged tokens and DeepStack planes."""
    form = encoder.form
    patches = form.patchify(pixels).flatten(0, 1)
    grid_t = -(-len(pixels) // form.temporal_patch_size)
    grid_hw = (side // form.patch_size for side in pixels.shape[-2:])
    with torch.inference_mode():
        output = vision(patches, torch.tensor([[grid_t, *grid_hw]]))
    return output.pooler_output, list(getattr(output, "deepstack_features", None) or [])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_one_chunk_equals_transformers_to_the_bit(
    family: str,
    size: tuple[int, int, int],
    encoders: dict[str, VideoEncoder],
    models: dict[str, Any],
) -> None:
    encoder = encoders[family]
    plan = make_plan(encoder, *size)
    chunk = encoder.resize(FrameChunk(start=0, pixels=random_frames(*size)), plan)

    tokens = encoder.encode([chunk], plan)

    merged, planes = forward(models[family], encoder, chunk.pixels)
    assert tokens.grid_thw == plan.grid_thw
    assert torch.equal(tokens.embeds.flatten(0, 2), merged)
    assert (tokens.deepstack is None) == (family == "qwen2_5_vl")
    if tokens.deepstack is not None:
        assert len(tokens.deepstack) == len(planes) == 2
        assert torch.equal(tokens.deepstack.flatten(1, 3), torch.stack(planes))


@pytest.fixture(scope="module", params=FAMILIES)
def whole(
    request: pytest.FixtureRequest, encoders: dict[str, VideoEncoder], models: dict[str, Any]
) -> tuple[str, Tensor, tuple[Tensor, list[Tensor]]]:
    """A family, eleven frames, and what transformers makes of them at once."""
    encoder = encoders[request.param]
    pixels = random_frames(11, *make_plan(encoder, 11, 130, 200).resized_size)
    return request.param, pixels, forward(models[request.param], encoder, pixels)


@pytest.fixture(scope="module", params=[2, 4])
def chunking(
    request: pytest.FixtureRequest, whole: tuple[str, Any, Any], checkpoints: dict[str, Path]
) -> VideoEncoder:
    folder = str(checkpoints[whole[0]])
    return load_encoder(folder, device="cpu", chunk_frames=request.param)


@pytest.mark.parametrize("lengths", [(4, 4, 3), (1, 9, 1), (11,)], ids=str)
def test_chunked_encoding_differs_by_rounding_at_most(
    lengths: tuple[int, ...],
    chunking: VideoEncoder,
    whole: tuple[str, Tensor, tuple[Tensor, list[Tensor]]],
) -> None:
    _, pixels, (merged, planes) = whole

    tokens = chunking.encode(chunks_of(pixels, *lengths), make_plan(chunking, 11, 130, 200))

    assert_close(tokens.embeds.flatten(0, 2), merged)
    if tokens.deepstack is not None:
        assert_close(tokens.deepstack.flatten(1, 3), torch.stack(planes))


def assert_close(ours: Tensor, theirs: Tensor) -> None:
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


@settings(deadline=None, max_examples=25)
@given(frames=st.integers(1, 5), h=st.integers(1, 9), w=st.integers(1, 9))
@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_every_grid_equals_transformers(
    family: str,
    frames: int,
    h: int,
    w: int,
    encoders: dict[str, VideoEncoder],
    models: dict[str, Any],
) -> None:
    encoder = encoders[family]
    cell = encoder.form.patch_size * encoder.form.merge_size
    pixels = random_frames(frames, h * cell, w * cell)

    embeds, planes = encode_frames(encoder.for_grid((2 * h, 2 * w)), encoder.form.patchify(pixels))

    merged, their_planes = forward(models[family], encoder, pixels)
    assert embeds.shape[:3] == (-(-frames // 2), h, w)
    assert torch.equal(embeds.flatten(0, 2), merged)
    if planes is not None:
        assert torch.equal(planes.flatten(1, 3), torch.stack(their_planes))


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_bfloat16_equals_transformers_in_bfloat16(family: str, tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "narrow", family, dtype=torch.bfloat16)
    encoder = load_encoder(str(folder), device="cpu")
    plan = make_plan(encoder, 6, 96, 140)
    pixels = random_frames(6, *plan.resized_size)

    tokens = encoder.encode(chunks_of(pixels, 6), plan)

    merged, _ = forward(make_model(family).model.visual.to(torch.bfloat16), encoder, pixels)
    assert encoder.info.dtype == "bfloat16"
    assert tokens.embeds.dtype == torch.bfloat16
    # The whole model rounds its rotary frequencies too when it is cast in memory.
    assert (tokens.embeds.flatten(0, 2) - merged).abs().max() <= 0.05 * merged.abs().max()


def test_dtype_asked_for_is_the_dtype_of_weights_and_tokens(qwen3: Path) -> None:
    wide = load_encoder(str(qwen3), device="cpu")
    narrow = load_encoder(str(qwen3), device="cpu", dtype="bfloat16")
    plan = make_plan(wide, 4, 64, 64)
    pixels = random_frames(4, *plan.resized_size)

    tokens = narrow.encode(chunks_of(pixels, 4), plan)

    expected = wide.encode(chunks_of(pixels, 4), plan).embeds
    assert (narrow.info.dtype, tokens.embeds.dtype) == ("bfloat16", torch.bfloat16)
    assert narrow.info.vision_sha256 == wide.info.vision_sha256
    assert (tokens.embeds - expected).abs().max() <= 0.1 * expected.abs().max()


@pytest.mark.parametrize("family", FAMILIES)
def test_without_units_tokens_are_those_of_float32_rounded_to_the_checkpoints_dtype(
    family: str, tmp_path: Path
) -> None:
    folder = str(make_checkpoint(tmp_path / "narrow", family, dtype=torch.bfloat16))
    auto = load_encoder(folder, device="cpu", units={"float32"})
    wide = load_encoder(folder, device="cpu", dtype="float32")
    plan = make_plan(auto, 6, 96, 140)
    pixels = random_frames(6, *plan.resized_size)

    tokens, expected = (one.encode(chunks_of(pixels, 6), plan) for one in (auto, wide))

    assert torch.equal(tokens.embeds, expected.embeds.bfloat16())
    if expected.deepstack is not None and tokens.deepstack is not None:
        assert torch.equal(tokens.deepstack, expected.deepstack.bfloat16())
    assert (auto.info.dtype, auto.info.compute_dtype) == ("bfloat16", "float32")
    assert auto.info.arithmetic == "bfloat16 computed in float32"


def test_settings_name_the_arithmetic_only_where_it_is_not_that_of_the_tokens(
    tmp_path: Path,
) -> None:
    folder = str(make_checkpoint(tmp_path / "narrow", "qwen3_vl", dtype=torch.bfloat16))
    with_units, without = (
        load_encoder(folder, device="cpu", units=units).settings
        for units in ({"float32", "bfloat16"}, {"float32"})
    )
    asked = load_encoder(folder, device="cpu", dtype="bfloat16", units={"float32"}).settings
    assert asked == with_units
    assert "compute_dtype" not in with_units
    assert dict(without) == {**with_units, "compute_dtype": "float32"}


def test_incomplete_last_patch_repeats_its_last_frame(encoders: dict[str, VideoEncoder]) -> None:
    encoder = encoders["qwen3_vl"]
    plan = make_plan(encoder, 4, 64, 64)
    pixels = random_frames(3, *plan.resized_size)
    doubled = torch.cat([pixels, pixels[-1:]])

    short = encoder.encode(chunks_of(pixels, 3), plan)

    assert torch.equal(short.embeds, encoder.encode(chunks_of(doubled, 4), plan).embeds)


def test_tokens_can_be_used_in_training(encoders: dict[str, VideoEncoder]) -> None:
    encoder = encoders["qwen3_vl"]
    plan = make_plan(encoder, 4, 64, 64)

    tokens = encoder.encode(chunks_of(random_frames(4, *plan.resized_size), 4), plan)

    assert not tokens.embeds.is_inference()
    assert not tokens.embeds.requires_grad


def test_chunks_are_not_decoded_in_inference_mode(encoders: dict[str, VideoEncoder]) -> None:
    encoder = encoders["qwen3_vl"]
    plan = make_plan(encoder, 40, 64, 64)
    modes = []

    def decode() -> Iterator[FrameChunk]:
        for chunk in chunks_of(random_frames(40, *plan.resized_size), *[8] * 5):
            modes.append(torch.is_inference_mode_enabled())
            yield chunk

    encoder.encode(decode(), plan)

    assert modes == [False] * 5
    assert not torch.is_inference_mode_enabled()


def test_tokens_and_planes_may_live_in_scratch_files(
    encoders: dict[str, VideoEncoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = []

    def allocate(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        shapes.append(tuple(shape))
        return torch.empty(shape, dtype=dtype)

    monkeypatch.setattr("evscli.encoders.room.allocate", allocate)
    encoder = encoders["qwen3_vl"]
    plan = make_plan(encoder, 2, 64, 64)

    tokens = encoder.encode(chunks_of(random_frames(2, *plan.resized_size), 2), plan)

    assert tokens.deepstack is not None
    assert shapes == [tokens.embeds.shape, tokens.deepstack.shape]


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_fewer_frames_than_planned_are_an_error(
    family: str, encoders: dict[str, VideoEncoder]
) -> None:
    encoder = encoders[family]
    plan = make_plan(encoder, 20, 64, 64)
    pixels = random_frames(18, *plan.resized_size)

    with pytest.raises(VideoError, match="frames for 9 of 10 temporal patches") as raised:
        encoder.encode(chunks_of(pixels, 18), plan)
    assert raised.value.stage == "decode"


def test_resize_on_the_cpu_keeps_the_place_in_the_plan(encoders: dict[str, VideoEncoder]) -> None:
    encoder = encoders["qwen3_vl"]
    plan = make_plan(encoder, 8, 130, 200)

    chunk = encoder.resize(FrameChunk(start=4, pixels=random_frames(4, 130, 200)), plan)

    assert chunk.start == 4
    assert chunk.pixels.dtype == torch.uint8
    assert chunk.pixels.shape == (4, 3, *plan.resized_size)


def test_resize_on_the_device_is_close_and_recorded(
    qwen3: Path, encoders: dict[str, VideoEncoder]
) -> None:
    exact, quick = encoders["qwen3_vl"], load_encoder(str(qwen3), device="cpu", resize="device")
    plan = make_plan(exact, 4, 130, 200)
    chunk = FrameChunk(start=0, pixels=random_frames(4, 130, 200))

    levels = quick.resize(chunk, plan).pixels.int() - exact.resize(chunk, plan).pixels.int()

    assert levels.abs().max() == 1
    assert (quick.settings["resize"], exact.settings["resize"]) == ("device", "cpu")


@pytest.mark.parametrize("chunk_frames", [0, 3, -2])
def test_chunk_that_splits_a_temporal_patch_is_refused(qwen3: Path, chunk_frames: int) -> None:
    with pytest.raises(UsageError, match=f"temporal patch of 2 frames, got {chunk_frames}; try"):
        load_encoder(str(qwen3), device="cpu", chunk_frames=chunk_frames)


def test_unknown_resize_is_refused(qwen3: Path) -> None:
    with pytest.raises(UsageError, match=r"resize 'gpu' is unknown; use cpu \(exact\) or device"):
        load_encoder(str(qwen3), device="cpu", resize="gpu")


@pytest.mark.parametrize("family", FAMILIES)
def test_info_says_what_a_shard_must_record(family: str, encoders: dict[str, VideoEncoder]) -> None:
    info = encoders[family].info

    assert (info.name, info.model_type) == (family, family)
    assert (info.embed_dim, info.dtype) == (48, "float32")
    older = family == "qwen2_5_vl"
    assert info.deepstack_planes == (0 if older else 2)
    assert info.tokens_per_second == (2.0 if older else None)
    assert (info.patch_size, info.temporal_patch_size, info.merge_size) == (
        14 if older else 8,
        2,
        2,
    )


def test_settings_change_with_whatever_changes_tokens(qwen3: Path, qwen2_5: Path) -> None:
    def of(model: Path, **options: Any) -> dict[str, Any]:
        return dict(load_encoder(str(model), device="cpu", **options).settings)

    base = of(qwen3)
    assert of(qwen3) == base
    assert base["sampling"] == {"fps": 2.0, "num_frames": None, "max_frames": 768, "min_frames": 4}
    for other in (
        of(qwen2_5),
        of(qwen3, dtype="bfloat16"),
        of(qwen3, chunk_frames=8),
        of(qwen3, resize="device"),
        of(qwen3, sampling=Sampling(fps=1)),
        of(qwen3, sampling=Sampling(max_frames=32)),
    ):
        assert other != base


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        ("CUDA out of memory.", DeviceError, "too little memory for the vision tower of mini"),
        ("CUDA error: device-side assert triggered", DeviceLostError, "the device failed"),
    ],
)
def test_a_tower_that_a_device_cannot_hold_is_one_line(
    monkeypatch: pytest.MonkeyPatch, error: str, kind: type[Exception], words: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(error)

    monkeypatch.setattr(load, "build_vision", fail)
    with pytest.raises(kind, match=words) as caught:
        load_encoder("mini")
    assert type(caught.value) is kind
    assert "another --device" in str(caught.value)
