"""Surprise against its rule written out token by token; its order, its parts and its sketches."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from evscli.errors import UsageError
from evscli.pruners import prune
from evscli.pruners.methods.surprise import Options, own_parts
from evscli.pruners.ops.likeness import likeness
from evscli.pruners.ops.outliers import curvature, frame_directions_and_scores
from evscli.pruners.ops.sketch import WIDTH, sketches
from evscli.records import KeptTokens, VideoTokens
from tests.pruners.videos import noise, still


def surprise(embeds: Tensor, budget: float, **options: str) -> KeptTokens:
    return prune(VideoTokens.from_embeds(embeds), "surprise", budget=budget, **options)


def drifting(t: int, h: int, w: int, d: int, seed: int = 0) -> Tensor:
    """A video whose every token walks away from where it began."""
    return noise(1, h, w, d, seed) + 0.3 * noise(t, h, w, d, seed + 1).cumsum(0)


def near(row: int, column: int, h: int, w: int, reach: int) -> list[tuple[int, int]]:
    """The cells at most `reach` away."""
    steps = range(-reach, reach + 1)
    cells = ((row + down, column + right) for down, right in product(steps, steps))
    return [(r, c) for r, c in cells if 0 <= r < h and 0 <= c < w]


def plain_parts(embeds: Tensor) -> dict[str, Tensor]:
    """The parts of the score [T, h, w], token by token in float64."""
    x = embeds.double()
    t, h, w, d = x.shape
    mean = x.mean((1, 2), keepdim=True)
    off = (x - mean).reshape(-1, d)
    covariance = off.T @ off / len(off)
    ridge = covariance.diagonal().mean() * torch.eye(d, dtype=torch.float64)
    inverse = torch.linalg.inv(covariance + ridge)
    norms = x.norm(dim=-1)
    low, high = norms.amin((1, 2), keepdim=True), norms.amax((1, 2), keepdim=True)
    parts = {
        "outlier": 1 - cosine_similarity(x, mean, dim=-1) + (norms - low) / (high - low),
        "rarity": ((x - mean) @ inverse * (x - mean)).sum(-1).sqrt(),
        "contrast": torch.empty(t, h, w, dtype=torch.float64),
        "change": torch.empty(t, h, w, dtype=torch.float64),
    }
    for time, row, column in product(range(t), range(h), range(w)):
        token = x[time, row, column]
        others = [x[time, r, c] for r, c in near(row, column, h, w, 2) if (r, c) != (row, column)]
        cosines = cosine_similarity(torch.stack(others), token, dim=-1)
        parts["contrast"][time, row, column] = 1 - cosines.mean()
        if time:
            before = torch.stack([x[time - 1, r, c] for r, c in near(row, column, h, w, 1)])
            parts["change"][time, row, column] = 1 - cosine_similarity(before, token, dim=-1).max()
    parts["change"][0] = parts["change"][1:].amax(0)
    return parts


@pytest.mark.parametrize("grid", [(5, 4, 6), (2, 3, 3), (9, 2, 5), (3, 1, 7)])
def test_the_parts_are_those_of_the_rule(grid: tuple[int, int, int]) -> None:
    embeds = drifting(*grid, 12)
    ours, plain = own_parts(embeds), plain_parts(embeds)
    assert ours.keys() == plain.keys()
    for name, values in plain.items():
        torch.testing.assert_close(ours[name], values.flatten(1).float(), atol=1e-5, rtol=1e-4)


def test_a_token_comes_in_by_its_place_and_its_frame() -> None:
    embeds = drifting(6, 3, 4, 8)
    parts = plain_parts(embeds)
    total = torch.zeros(6, 12, dtype=torch.float64)
    for name, values in parts.items():
        rows = values.flatten(1)
        low, high = rows.amin(1, keepdim=True), rows.amax(1, keepdim=True)
        total += (4 if name == "rarity" else 1) * (rows - low) / (high - low)
    new = parts["change"].flatten(1).sum(1)
    weights = 0.5 / 6 + 0.5 * new / new.sum()
    entries = []
    for frame in range(6):
        places = total[frame].argsort(descending=True).argsort()
        entries += [((float(place) + 0.5) / float(weights[frame])) for place in places]
    wanted = sorted(range(72), key=entries.__getitem__)
    for count in (1, 7, 30, 72):
        kept = surprise(embeds, count / 72)
        assert kept.mask.flatten().nonzero().flatten().tolist() == sorted(wanted[:count])


def test_a_static_video_is_kept_evenly() -> None:
    kept = surprise(still(5, 4, 4), 0.25)
    assert kept.mask.flatten(1).sum(1).tolist() == [4] * 5


def test_a_thing_that_appears_is_kept_and_its_frame_gets_more() -> None:
    embeds = noise(1, 6, 6, 16).expand(8, -1, -1, -1).clone()
    embeds[5:, 2, 3] = 3 * noise(1, 1, 1, 16, seed=5)[0, 0, 0]
    kept = surprise(embeds, 0.1)
    assert kept.mask[5:, 2, 3].all()
    per_frame = kept.mask.flatten(1).sum(1)
    assert per_frame[5] > per_frame[6] == per_frame[4]


def test_frames_and_scores_of_other_methods_take_the_place_of_its_own() -> None:
    embeds = drifting(8, 4, 4, 8)
    directions, outliers = frame_directions_and_scores(embeds)
    shares = (curvature(directions) / 0.7).softmax(0)
    kept = surprise(embeds, 0.3, frames="curvature", score="outlier").mask.flatten(1)
    assert (kept.sum(1) - 0.3 * 128 * shares).abs().max() < 1
    for frame, mask in enumerate(kept):
        assert outliers[frame][mask].min() >= outliers[frame][~mask].max()
    even = surprise(embeds, 0.25, frames="even", score="uniqueness").mask.flatten(1)
    assert even.sum(1).tolist() == [4] * 8
    to_video, to_frame = likeness(embeds)
    unlike = -(to_video + to_frame)
    assert all(unlike[t][even[t]].min() >= unlike[t][~even[t]].max() for t in range(8))
    novel = surprise(embeds, 0.25, frames="novelty", score="salience+change")
    assert novel.count == 32


@pytest.mark.parametrize(
    ("score", "match"),
    [
        ("", "'' is not a part"),
        ("outlier+", "'' is not a part"),
        ("beauty", "'beauty' is not a part: join some of"),
        ("change+change", "twice"),
    ],
)
def test_an_unknown_part_is_refused(score: str, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        Options(score=score)


@pytest.mark.parametrize("width", [WIDTH + 1, 2 * WIDTH, 1000])
def test_sketches_keep_distances_about_right(width: int) -> None:
    embeds = noise(3, 4, 5, width)
    short = torch.cat([z.clone() for _, _, z in sketches(embeds)])
    assert short.shape == (3, 20, WIDTH)
    rows, wide = short.flatten(0, 1), embeds.flatten(0, 2)
    ratios = torch.cdist(rows, rows).square() / torch.cdist(wide, wide).square().clamp(min=1e-9)
    off = ~torch.eye(60, dtype=torch.bool)
    assert abs(float(ratios[off].mean()) - 1) < 0.05
    assert float(ratios[off].std()) < 1.5 * (2 / WIDTH) ** 0.5


def test_wide_tokens_that_stay_have_no_change_at_all() -> None:
    embeds = noise(1, 4, 4, 300).expand(4, -1, -1, -1).clone()
    embeds[2, 1, 1] += 0.01
    changed = own_parts(embeds)["change"]
    assert changed[1].max() == 0
    assert changed[2].nonzero().flatten().tolist() == [5]
