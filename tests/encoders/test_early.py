"""Towers that prune on the way, against transformers' own modules with masked attention."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from evscli.encoders import VideoEncoder, load_encoder
from evscli.encoders.early import finish, spans
from evscli.encoders.tower import encode_frames, patches_of, windows_of
from evscli.models.contract import Tower
from evscli.records import KeptTokens, WindowChoice, WindowTokens
from tests.checkpoints import FAMILIES
from tests.encoders.layouts import begun, masked, random_frames

GRID = (3, 5)
FRAMES = 6


@pytest.fixture(scope="module")
def encoders(checkpoints: dict[str, Path]) -> dict[str, VideoEncoder]:
    return {
        family: load_encoder(str(folder), device="cpu", dtype="float32")
        for family, folder in checkpoints.items()
    }


@pytest.fixture(params=FAMILIES)
def encoder(request: pytest.FixtureRequest, encoders: dict[str, VideoEncoder]) -> VideoEncoder:
    return encoders[request.param]


@pytest.fixture
def tower(encoder: VideoEncoder) -> Tower:
    return encoder.for_grid((2 * GRID[0], 2 * GRID[1]))


@pytest.fixture
def patches(encoder: VideoEncoder) -> Tensor:
    cell = encoder.form.patch_size * encoder.form.merge_size
    return encoder.form.patchify(random_frames(2 * FRAMES, GRID[0] * cell, GRID[1] * cell))


def some(share: float, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    keep = torch.rand((FRAMES, *GRID), generator=generator) < share
    keep[2] = False
    keep[4] = True
    return keep


def choosing(mask: Tensor, **options: Any) -> WindowChoice:
    return WindowChoice(kept=KeptTokens(mask=mask, expected=int(mask.sum())), **options)


def encode(
    tower: Tower,
    patches: Tensor,
    choice: WindowChoice,
    *,
    after: int,
    chunk: int = 4,
    most: int = 100,
) -> WindowTokens:
    with torch.inference_mode():
        prefix = begun(tower, after, patches.split(chunk), len(patches))
        return finish(prefix, choice, patches=most, device=patches.device)


def assert_close(ours: Tensor, theirs: Tensor) -> None:
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("share", [0.2, 0.7, 1.0])
def test_what_is_kept_is_as_with_the_rest_masked(
    tower: Tower, patches: Tensor, after: int, share: float
) -> None:
    mask = some(share)
    ours = encode(tower, patches, choosing(mask), after=after)
    embeds, planes = masked(tower, patches, mask, after, None)
    assert_close(ours.embeds, embeds[mask])
    assert (ours.planes is None) == (planes is None)
    if ours.planes is not None:
        assert_close(ours.planes, planes[:, mask])


def test_a_bias_is_added_in_one_more_whole_block(tower: Tower, patches: Tensor) -> None:
    mask, bias = some(0.4), -2 * torch.rand((FRAMES, *GRID), generator=torch.Generator())
    ours = encode(tower, patches, choosing(mask, bias=bias), after=0)
    embeds, _ = masked(tower, patches, mask, 0, bias)
    assert_close(ours.embeds, embeds[mask])
    without = encode(tower, patches, choosing(mask), after=0)
    assert not torch.allclose(ours.embeds, without.embeds, atol=1e-4)


@pytest.mark.parametrize("most", [1, 1000])
@pytest.mark.parametrize("biased", [True, False])
def test_windows_that_go_at_the_end_run_through_all_blocks_with_the_bias(
    tower: Tower, patches: Tensor, biased: bool, most: int
) -> None:
    mask = some(0.4)
    bias = -2 * torch.rand((FRAMES, *GRID)) if biased else None
    choice = choosing(mask, bias=bias, inside=False, refill=True)
    ours = encode(tower, patches, choice, after=0, most=most)
    keys = None if bias is None else patches_of(tower, bias)
    states = {}
    with torch.inference_mode():
        hidden = tower.embed(patches)
        for number in range(tower.depth):
            hidden = tower.block(number, hidden, keys if number else None)
            states[number] = hidden
        embeds, planes = tower.tokens({n: states[n] for n in tower.read_after})
    assert_close(ours.embeds, embeds[mask])
    if planes is not None:
        assert ours.planes is not None
        assert_close(ours.planes, planes[:, mask])


def test_keeping_all_is_the_whole_tower(tower: Tower, patches: Tensor) -> None:
    mask = torch.ones((FRAMES, *GRID), dtype=torch.bool)
    ours = encode(tower, patches, choosing(mask), after=0)
    with torch.inference_mode():
        embeds, planes = encode_frames(tower, patches)
    assert_close(ours.embeds, embeds.flatten(0, 2))
    if planes is not None and ours.planes is not None:
        assert_close(ours.planes, planes.flatten(1, 3))


@pytest.mark.parametrize("chunk", [1, 6])
@pytest.mark.parametrize("most", [1, 1000])
def test_parts_change_nothing_but_rounding(
    tower: Tower, patches: Tensor, chunk: int, most: int
) -> None:
    mask = some(0.4)
    whole = encode(tower, patches, choosing(mask), after=1)
    parts = encode(tower, patches, choosing(mask), after=1, chunk=chunk, most=most)
    assert_close(parts.embeds, whole.embeds)


def test_a_bias_and_frames_without_a_window_pass_in_parts(tower: Tower, patches: Tensor) -> None:
    mask, bias = some(0.4), -2 * torch.rand((FRAMES, *GRID))
    mask[1:4] = False
    seen = []

    class Watched:
        def __getattr__(self, name: str) -> Any:
            return getattr(tower, name)

        def block(self, number: int, hidden: Tensor, bias: Tensor | None = None) -> Tensor:
            seen.append(len(hidden))
            return tower.block(number, hidden, bias)

    whole = encode(tower, patches, choosing(mask, bias=bias), after=0)
    parts = encode(Watched(), patches, choosing(mask, bias=bias), after=0, chunk=1, most=1)
    assert_close(parts.embeds, whole.embeds)
    assert max(seen) == 1


def test_refilled_frames_see_all_of_themselves(tower: Tower, patches: Tensor) -> None:
    mask = torch.zeros((FRAMES, *GRID), dtype=torch.bool)
    mask[:, :, :3] = True  # no two frames share a bin
    ours = encode(tower, patches, choosing(mask, refill=True), after=0)
    with torch.inference_mode():
        embeds, _ = encode_frames(tower, patches)
    assert_close(ours.embeds, embeds[mask])


def test_windows_hold_the_patches_of_their_token(tower: Tower, patches: Tensor) -> None:
    with torch.inference_mode():
        hidden = tower.embed(patches)
        last = tower.depth - 1
        states = dict.fromkeys(tower.read_after, hidden)
        embeds, _ = tower.tokens(states)
        windows = windows_of(tower, hidden)
        numbers = torch.arange(windows.shape[1] * windows.shape[2]).repeat(len(windows))
        alone, _ = tower.window_tokens({n: windows.flatten(0, 2) for n in states}, numbers)
    assert last in states
    assert_close(alone, embeds.flatten(0, 2))


def test_spans_bound_the_patches_of_a_part() -> None:
    assert list(spans([3, 3, 3, 9, 0, 1], 6)) == [(0, 2), (2, 3), (3, 4), (4, 6)]
    assert list(spans([0, 0], 6)) == [(0, 2)]
