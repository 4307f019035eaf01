"""STTS's heuristics against a window by window reading of their rule."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from evscli.pruners.ops.stts_heuristics import keep_new


def one_trial(
    states: Tensor, threshold: float, *, moving: bool
) -> tuple[dict[tuple[int, int], float], set[int]]:
    """The likeness of every window behind frame 0, and the frames that are new, in plain loops."""
    flat = states.double().flatten(1, 2).flatten(2)
    t, n = flat.shape[:2]
    reference = list(flat[0])
    likeness, new = {}, {0}
    for frame in range(1, t):
        alike = [
            float(torch.cosine_similarity(flat[frame, i], reference[i], dim=0)) for i in range(n)
        ]
        whole = sum(alike) / n < threshold
        if whole:
            new.add(frame)
        for i in range(n):
            likeness[frame, i] = alike[i]
            if moving or whole or alike[i] < threshold:
                reference[i] = flat[frame, i]
    return likeness, new


def by_loops(states: Tensor, count: int, threshold: float, *, moving: bool) -> set[tuple[int, int]]:
    """The windows that are kept."""
    t, h, w = states.shape[:3]
    places = [(frame, i) for frame in range(t) for i in range(h * w)]
    limit = threshold
    for _ in range(5):
        likeness, new = one_trial(states, limit, moving=moving)
        first = {place: -1.0 if place[0] in new else likeness[place] for place in places}
        order = sorted(places, key=lambda place: (place[0] > 0, first[place], place))
        kept = set(order[:count])
        limit -= 0.05
        if not new & {frame for frame, _ in order[count:]} or limit < 0:
            break
    return kept


def drifting(seed: int, frames: int, *, jump: float) -> Tensor:
    """States that change a little from frame to frame, some windows and frames more."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(frames, 2, 3, 4, 8, generator=generator)
    size = 0.3 + jump * (torch.rand(frames, 2, 3, 1, 1, generator=generator) < 0.3)
    size = size + 3 * (torch.rand(frames, 1, 1, 1, 1, generator=generator) < 0.2)
    return (noise * size).cumsum(0) + 1


@pytest.mark.parametrize("moving", [True, False])
@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    frames=st.integers(1, 9),
    budget=st.floats(0.05, 1.0),
    threshold=st.sampled_from([0.0, 0.12, 0.5, 0.85, 1.0]),
    jump=st.sampled_from([0.0, 2.0]),
)
def test_masks_are_those_of_the_rule(
    moving: bool, seed: int, frames: int, budget: float, threshold: float, jump: float
) -> None:
    states = drifting(seed, frames, jump=jump)
    count = max(6, round(6 * frames * budget))
    mask, _ = keep_new(states, count, threshold=threshold, moving=moving)
    wanted = by_loops(states, count, threshold, moving=moving)
    assert {(t, i) for t, i in mask.flatten(1).nonzero().tolist()} == wanted


def test_a_new_scene_is_kept_whole_by_both() -> None:
    states = torch.ones(6, 2, 2, 4, 8)
    states[3:] *= torch.tensor([1.0, -1.0]).repeat(4)
    for moving in (True, False):
        mask, scores = keep_new(states, 8, threshold=0.85, moving=moving)
        assert mask[0].all()
        assert mask[3].all()
        assert (scores[3] == 1).all()


def test_a_window_that_comes_back_is_old_to_the_reference_only_if_it_was_not_replaced() -> None:
    """One window changes for a frame and changes back: both changes are new to the reference."""
    states = torch.ones(4, 1, 8, 1, 2)
    states[1, 0, 0, 0] = torch.tensor([1.0, -1.0])
    mask, _ = keep_new(states, 10, threshold=0.85, moving=False)
    assert mask.flatten(1).nonzero()[8:].tolist() == [[1, 0], [2, 0]]
