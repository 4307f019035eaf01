"""Several videos in one call of a tower: each gets the tokens that it has alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from evscli.encoders import VideoEncoder, encoder, load_encoder
from evscli.errors import UsageError
from evscli.records import FrameChunk, FramePlan, VideoTokens
from tests.encoders.layouts import chunks_of, make_plan, random_frames
from tests.encoders.test_chunks import small
from tests.families import CASES

LENGTHS = (5, 2, 1, 8)
"""The frames of videos that share a call: odd ones are padded, each by itself."""

Videos = Sequence[tuple[Sequence[FrameChunk], FramePlan]]


def videos_of(encoder: VideoEncoder, lengths: Sequence[int] = LENGTHS) -> Videos:
    """Random videos of these lengths and of one size, in chunks of up to 3 frames."""
    (h, w), made = make_plan(encoder, max(lengths), 130, 200).resized_size, []
    for number, length in enumerate(lengths):
        plan = replace(make_plan(encoder, length, 130, 200), resized_size=(h, w))
        plan = replace(plan, grid_thw=(plan.grid_thw[0], *encoder.rules.cells(h, w)))
        parts = [3] * (length // 3) + [length % 3] * (length % 3 > 0)
        made.append((chunks_of(random_frames(length, h, w, seed=number), *parts), plan))
    return made


def alone(encoder: VideoEncoder, videos: Videos) -> list[VideoTokens]:
    return [encoder.encode(chunks, plan) for chunks, plan in videos]


def assert_alike(ours: Sequence[VideoTokens], theirs: Sequence[VideoTokens]) -> None:
    """Equal on the kinds of CPU that these tests run on, or off by rounding."""
    for one, other in zip(ours, theirs, strict=True):
        assert one.grid_thw == other.grid_thw
        scale = other.embeds.float().abs().max()
        assert (one.embeds - other.embeds).abs().max() <= 1e-5 * scale
        assert (one.deepstack is None) == (other.deepstack is None)
        if one.deepstack is not None and other.deepstack is not None:
            assert (one.deepstack - other.deepstack).abs().max() <= 1e-5 * other.deepstack.max()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The temporal patches in each call of a tower."""
    seen: list[int] = []
    run = encoder.encode_frames

    def counted(tower: encoder.Tower, patches: torch.Tensor) -> object:
        seen.append(len(patches))
        return run(tower, patches)

    monkeypatch.setattr(encoder, "encode_frames", counted)
    return seen


def test_videos_of_mini_share_a_call_and_have_the_tokens_they_have_alone(calls: list[int]) -> None:
    mini = load_encoder("mini", dtype="float32", chunk_patches=1 << 20)
    videos = videos_of(mini)

    together = mini.encode_together(videos)

    assert calls == [3 + 1 + 1 + 4]
    assert [tokens.grid_thw[0] for tokens in together] == [3, 1, 1, 4]
    assert_alike(together, alone(mini, videos))


@pytest.mark.parametrize(
    "family",
    [
        name
        if name in ("qwen2_5_vl", "molmo2", "internvl", "nemotron_h_omni")
        else pytest.param(name, marks=pytest.mark.slow)
        for name in CASES
    ],
)
def test_every_family_splits_what_went_through_its_tower_together(
    family: str, tmp_path: Path
) -> None:
    folder = str(CASES[family].write(tmp_path / family))
    packed = load_encoder(folder, device="cpu", dtype="float32", chunk_patches=1 << 20)
    plain = load_encoder(folder, device="cpu", dtype="float32")
    videos = videos_of(packed)

    assert_alike(packed.encode_together(videos), alone(plain, videos))


def test_a_call_has_at_most_as_many_patches_and_at_least_one_temporal_patch(
    qwen3: Path, calls: list[int]
) -> None:
    plain = load_encoder(str(qwen3), dtype="float32")
    videos = videos_of(plain, (11,))
    size = plain.patches(videos[0][1]) // 6
    expected = alone(plain, videos)
    for patches, sizes in {4 * size - 1: [3, 3], 4 * size: [4, 2], size // 2: 6 * [1]}.items():
        bounded = load_encoder(str(qwen3), dtype="float32", chunk_patches=patches)
        calls.clear()
        assert_alike(alone(bounded, videos), expected)
        assert calls == sizes


def test_a_call_is_halved_where_memory_lacks_and_what_was_asked_for_is_noted(qwen3: Path) -> None:
    packed = load_encoder(str(qwen3), dtype="float32", chunk_patches=1 << 20)
    limited, tried = small(packed, 3)
    videos = videos_of(packed)
    size = packed.patches(videos[1][1])

    assert_alike(limited.encode_together(videos), alone(packed, videos))

    assert tried == [9, 4, 2, 2, 2, 2, 1]
    assert limited.length.now == 2 * size
    assert limited.length.notes == (
        f"Memory sufficed for {2 * size} patches at a time, not for {1 << 20} (--chunk-patches), "
        "so that values may differ in their last bits.",
    )


def test_the_settings_of_a_store_name_what_bounds_a_call(qwen3: Path) -> None:
    plain, usual = load_encoder(str(qwen3)), load_encoder(str(qwen3), chunk_frames=16)
    packed = load_encoder(str(qwen3), chunk_patches=4096)

    assert plain.settings == usual.settings
    assert plain.settings["chunk_frames"] == 16
    rest = {name: value for name, value in plain.settings.items() if name != "chunk_frames"}
    assert packed.settings == {**rest, "chunk_patches": 4096}


def test_both_bounds_and_a_bound_of_nothing_are_refused(qwen3: Path) -> None:
    with pytest.raises(UsageError, match="chunk-frames and chunk-patches exclude each other"):
        load_encoder(str(qwen3), chunk_frames=16, chunk_patches=4096)
    with pytest.raises(UsageError, match="chunk-patches must be 1 or more, got 0"):
        load_encoder(str(qwen3), chunk_patches=0)
