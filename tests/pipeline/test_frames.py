"""Frames that are kept for later, of models whose processors round pixels and of others."""

from __future__ import annotations

from collections.abc import Generator
from types import SimpleNamespace
from typing import Any

import torch

from evscli.pipeline.frames import (
    decoded_once,
    pixel_source,
    record_pixels,
    recorded_pixels,
)
from evscli.records import FrameChunk

PIXELS = torch.tensor([-3.2, 7.6, 254.4, 260.0, 12.0, 0.4]).repeat(5, 2).view(5, 3, 2, 2)
PLAN: Any = SimpleNamespace(source_index=range(5), resized_size=(2, 2))


def chunks() -> Generator[FrameChunk]:
    yield FrameChunk(start=0, pixels=PIXELS[:3])
    yield FrameChunk(start=3, pixels=PIXELS[3:])


def test_pixels_for_methods_are_rounded_to_levels_and_the_encoders_are_not() -> None:
    levels = recorded_pixels(PLAN)
    passed = [chunk.pixels for chunk in record_pixels(chunks(), levels)]
    assert torch.equal(torch.cat(passed), PIXELS)
    assert levels[0].flatten().tolist() == [0, 8, 254, 255, 12, 0] * 2


def test_frames_for_several_passes_are_kept_as_they_are() -> None:
    replay = decoded_once(chunks, SimpleNamespace(plan=PLAN))  # type: ignore[arg-type]
    for _ in range(2):
        again = [*replay()]
        assert [chunk.start for chunk in again] == [0, 3]
        assert torch.equal(torch.cat([chunk.pixels for chunk in again]), PIXELS)


def test_frames_that_did_not_come_are_not_made_up() -> None:
    plan = SimpleNamespace(source_index=range(7), resized_size=(2, 2))
    replay = decoded_once(chunks, SimpleNamespace(plan=plan))  # type: ignore[arg-type]
    assert [len(chunk.pixels) for chunk in replay()] == [3, 2]


def test_rows_and_columns_that_make_no_cell_are_left_out_of_scores() -> None:
    rules = SimpleNamespace(cells=lambda *_: (9, 14), temporal_patch_size=1)
    encoder: Any = SimpleNamespace(rules=rules, chunk_frames=2)
    pixels = (torch.arange(384 * 384) % 251).byte().view(1, 1, 384, 384).expand(3, 3, -1, -1)
    seen = torch.cat([*pixel_source(pixels, encoder).chunks()])
    assert torch.equal(seen, pixels[..., : 9 * 42, : 14 * 27])
