"""Chunks that a device has too little memory for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from evscli.encoders import VideoEncoder, load_encoder
from evscli.encoders.chunks import ChunkLength
from evscli.errors import VideoError
from evscli.pipeline import VideoPruner
from evscli.pruners import check_selection
from evscli.records import KeptTokens, VideoInput, WindowChoice
from tests.encoders.layouts import chunks_of, make_plan, random_frames


class Small:
    """A tower with memory for so many temporal patches, that counts the calls of its blocks."""

    def __init__(self, tower: Any, most: int) -> None:
        self.tower, self.most = tower, most
        self.sizes: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tower, name)

    def block(self, number: int, hidden: Tensor, bias: Tensor | None = None) -> Tensor:
        if number == 0:
            self.sizes.append(len(hidden))
        if len(hidden) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        out: Tensor = self.tower.block(number, hidden, bias)
        return out


def small(encoder: VideoEncoder, most: int) -> tuple[VideoEncoder, list[int]]:
    """An encoder with memory for so many temporal patches, and what it tries."""
    sizes: list[int] = []

    def for_grid(grid: tuple[int, int]) -> Any:
        tower = Small(encoder.for_grid(grid), most)
        tower.sizes = sizes
        return tower

    return replace(encoder, for_grid=for_grid), sizes


@pytest.fixture
def encoder(qwen3: Path) -> VideoEncoder:
    return load_encoder(str(qwen3), dtype="float32", chunk_frames=16)


def test_a_chunk_is_halved_until_it_fits_and_stays_so(encoder: VideoEncoder) -> None:
    limited, tried = small(encoder, 3)
    plan = make_plan(encoder, 23, 130, 200)
    chunks = chunks_of(random_frames(23, *plan.resized_size), 8, 8, 7)

    expected, tokens = encoder.encode(chunks, plan), limited.encode(chunks, plan)

    assert tried == [8, 4, 2, 2, 2, 2, 2, 2]
    assert torch.allclose(tokens.embeds, expected.embeds, atol=1e-5)
    assert limited.length.now == 4
    tried.clear()
    limited.encode(chunks, plan)
    assert max(tried) == 2
    assert encoder.length.notes == ()


def test_a_single_temporal_patch_that_does_not_fit_is_an_error(encoder: VideoEncoder) -> None:
    limited, tried = small(encoder, 0)
    plan = make_plan(encoder, 16, 130, 200)
    with pytest.raises(torch.OutOfMemoryError):
        limited.encode(chunks_of(random_frames(16, *plan.resized_size), 16), plan)
    assert tried == [8, 4, 2, 1]


def test_pruning_inside_halves_too(encoder: VideoEncoder) -> None:
    limited, tried = small(encoder, 2)
    plan = make_plan(encoder, 16, 130, 200)
    chunks = chunks_of(random_frames(16, *plan.resized_size), 16)
    mask = torch.ones(plan.grid_thw, dtype=torch.bool)
    whole = WindowChoice(kept=KeptTokens(mask=mask, expected=mask.numel()), inside=False)

    prefix = limited.begin(chunks, plan, after=1)
    assert tried == [8, 4, 2, 2, 2, 2]
    limited.length.now = 16  # as if the first blocks had needed less
    tokens = limited.finish(prefix, whole)

    assert limited.length.now == 4
    assert torch.allclose(
        tokens.embeds.view(*plan.grid_thw, -1), encoder.encode(chunks, plan).embeds, atol=1e-5
    )


@pytest.mark.parametrize(
    ("asked", "least", "halves"), [(16, 2, [8, 4, 2]), (6, 2, [2]), (5, 1, [2, 1])]
)
def test_lengths_stay_multiples_of_a_temporal_patch(
    asked: int, least: int, halves: list[int]
) -> None:
    length, tried = ChunkLength(asked=asked, least=least), list[int]()

    def step(frames: int) -> None:
        tried.append(frames)
        raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        length.run(step, 100, 4)
    assert tried == [asked, *halves]


def test_another_error_is_not_tried_again() -> None:
    tried = iter(range(1))

    def step(frames: int) -> None:
        next(tried)
        raise ValueError(frames)

    with pytest.raises(ValueError, match="8"):
        ChunkLength(asked=8, least=1).run(step, 8, 4)


@pytest.mark.parametrize(("method", "prune_at"), [("vcast", None), ("window-diff", 1)])
def test_the_record_notes_it_and_one_that_never_fits_is_one_line(
    clip: Path, method: str, prune_at: int | None
) -> None:
    mini, video = load_encoder("mini"), VideoInput(id="clip", path=clip, root=clip.parent)
    limited, _ = small(mini, 1)
    pruner = VideoPruner(limited, check_selection(method, 0.3, prune_at=prune_at))
    for record in (pruner(video), pruner(video)):
        notes = [note for note in record.info.notes if "Memory sufficed" in note]
        assert notes == [
            "Memory sufficed for 2 frames at a time, not for 16 (--chunk-frames), so that values "
            "may differ in their last bits."
        ]
    hopeless, _ = small(mini, 0)
    with pytest.raises(VideoError, match="out of memory in encode") as caught:
        VideoPruner(hopeless, check_selection(method, 0.3, prune_at=prune_at))(video)
    assert (caught.value.stage, caught.value.kind) == ("encode", "OutOfMemoryError")
