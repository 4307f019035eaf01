"""frame-diff against the compression of the processor that it comes from, and with a budget."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from evscli.encoders.processor import import_class
from evscli.errors import UsageError
from evscli.models.parts.pixels import pixel_format
from evscli.models.registry import built_in
from evscli.pruners import PruneWarning, prune
from evscli.records import KeptTokens, OptionValue, PruneInputs
from tests.pruners.videos import source, tokens

OWN = import_class(built_in()["video_llama_3"].video_processors[0])()
SIDE = 28
VALUES = 3 * SIDE**2


def still(t: int, h: int, w: int) -> Tensor:
    """The same random frame [t, 3, H, W] `t` times."""
    generator = torch.Generator().manual_seed(0)
    size = (1, 3, SIDE * h, SIDE * w)
    return torch.randint(0, 255, size, generator=generator, dtype=torch.uint8).repeat(t, 1, 1, 1)


def brighten(frames: Tensor, frame: int, row: int, column: int, *, values: int) -> None:
    """Add a level to the first `values` pixels of a token, from one frame on."""
    add = (torch.arange(VALUES) < values).view(3, SIDE, SIDE).to(torch.uint8)
    down, across = (slice(SIDE * at, SIDE * (at + 1)) for at in (row, column))
    frames[frame:, :, down, across] += add


def chosen(frames: Tensor, *, budget: float = 1.0, patch: int = 1, **options: Any) -> KeptTokens:
    t = -(-len(frames) // patch)
    video = tokens(t, frames.shape[2] // SIDE, frames.shape[3] // SIDE)
    inputs = PruneInputs(pixels=source(frames, patch=patch))
    given: dict[str, OptionValue] = options
    return prune(video, "frame-diff", budget=budget, inputs=inputs, **given)


def own_mask(frames: Tensor, **options: float) -> Tensor:
    """The mask [T, h, w] of the processor itself."""
    t, _, height, width = frames.shape
    mask: Tensor = OWN._get_compression_mask(
        pixel_values_videos=pixel_format(OWN, model="m").patchify(frames).flatten(0, 1),
        video_grid_thw=torch.tensor([[t, height // 14, width // 14]]),
        video_merge_sizes=torch.tensor([2]),
        **options,
    )
    return mask.view(t, height // SIDE, width // SIDE)


@settings(deadline=None, max_examples=30)
@given(
    t=st.integers(1, 4),
    changes=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 2), st.integers(1, 300)),
        max_size=6,
    ),
    threshold=st.sampled_from([None, 0.0, 0.05, 0.173]),
)
def test_the_mask_is_the_processor_s_own(
    t: int, changes: list[tuple[int, int, int, int]], threshold: float | None
) -> None:
    frames = still(t, 2, 3)
    for frame, row, column, values in changes:
        brighten(frames, frame, row, column, values=values)
    given = {} if threshold is None else {"threshold": threshold}
    kept = chosen(frames, threshold=given.get("threshold", 0.1))
    assert torch.equal(kept.mask, own_mask(frames, **given))
    assert kept.expected == kept.count


@pytest.mark.parametrize(("values", "count"), [(117, 1), (118, 2)])
def test_the_threshold_is_a_twentieth_of_a_level(values: int, count: int) -> None:
    """Of 2,352 pixel values 118 are the first more than a twentieth."""
    frames = still(2, 1, 3)
    brighten(frames, 1, 0, 1, values=values)
    brighten(frames, 1, 0, 2, values=300)
    kept = chosen(frames, threshold=0.1).mask
    assert int(kept[1].sum()) == count
    assert torch.equal(kept, own_mask(frames))


def test_a_budget_keeps_the_largest_differences_and_one_of_each_frame() -> None:
    frames = still(4, 2, 2)
    brighten(frames, 1, 0, 1, values=50)
    brighten(frames, 3, 1, 0, values=900)
    brighten(frames, 3, 1, 1, values=800)
    kept = chosen(frames, budget=0.5)
    assert kept.mask.flatten(1).int().tolist() == [
        [1, 1, 1, 1],
        [0, 1, 0, 0],
        [1, 0, 0, 0],
        [0, 0, 1, 1],
    ]
    with pytest.warns(PruneWarning, match="a token of every frame, so 4 of 16 tokens are kept"):
        fewest = chosen(frames, budget=0.1)
    assert fewest.mask.flatten(1).int().tolist() == [
        [0, 0, 1, 0],  # where most changes later
        [0, 1, 0, 0],
        [1, 0, 0, 0],
        [0, 0, 1, 0],
    ]


def test_a_threshold_drops_what_the_budget_allows() -> None:
    frames = still(3, 2, 2)
    brighten(frames, 1, 0, 1, values=50)
    brighten(frames, 2, 1, 1, values=800)
    brighten(frames, 2, 1, 0, values=700)
    kept = chosen(frames, budget=7 / 12, threshold=0.1)
    assert kept.mask.flatten(1).int().tolist() == [[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 1, 1]]
    assert chosen(frames, budget=0.5, threshold=0.1).mask[2].flatten().tolist() == [False] * 3 + [
        True
    ]


def test_frames_of_a_temporal_patch_are_compared_in_order() -> None:
    frames = still(5, 1, 2)
    brighten(frames, 3, 0, 1, values=300)
    kept = chosen(frames, patch=2, threshold=0.1)
    assert kept.mask.flatten(1).int().tolist() == [[1, 1], [0, 1], [0, 1]]


def test_a_negative_threshold_is_refused() -> None:
    with pytest.raises(UsageError, match="threshold of frame-diff must be at least 0"):
        chosen(still(2, 1, 1), threshold=-0.1)
