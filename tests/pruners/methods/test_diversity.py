"""DivPrune and CDPruner: sets of tokens unlike each other."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from evscli.errors import UsageError
from evscli.pruners import prune
from evscli.pruners.methods.cdpruner import determinantal_points
from evscli.pruners.methods.divprune import farthest_points
from evscli.records import PruneInputs, VideoTokens
from tests.pruners.videos import noise, tokens


def unit(n: int, d: int = 6, seed: int = 0) -> Tensor:
    return normalize(noise(1, 1, n, d, seed)[0, 0], dim=-1)


def max_min(rows: Tensor, count: int) -> list[int]:
    """Farthest point sampling, spelled out."""
    distance = 1 - rows.double() @ rows.double().T
    others = [
        min(d for j, d in enumerate(row) if j != i) for i, row in enumerate(distance.tolist())
    ]
    chosen = [others.index(max(others))]
    while len(chosen) < count:
        rest = [i for i in range(len(rows)) if i not in chosen]
        chosen.append(max(rest, key=lambda i: min(float(distance[i, j]) for j in chosen)))
    return chosen


def largest_determinant(rows: Tensor, quality: Tensor, count: int) -> list[int]:
    """Greedy maximisation of the determinant, spelled out."""
    q = quality.double()
    kernel = q[:, None] * (rows.double() @ rows.double().T) * q
    chosen: list[int] = []
    for _ in range(count):
        rest = [i for i in range(len(rows)) if i not in chosen]
        volumes = [torch.linalg.det(kernel[[*chosen, i]][:, [*chosen, i]]) for i in rest]
        chosen.append(rest[int(torch.stack(volumes).argmax())])
    return chosen


@pytest.mark.parametrize("seed", range(5))
def test_farthest_points_are_chosen_one_by_one(seed: int) -> None:
    rows = unit(20, seed=seed)
    assert farthest_points(rows, 20).tolist() == max_min(rows, 20)


@pytest.mark.parametrize("seed", range(5))
def test_determinantal_points_make_the_largest_volume(seed: int) -> None:
    rows = unit(15, d=8, seed=seed)
    quality = torch.rand(15, generator=torch.Generator().manual_seed(seed)) + 0.1
    assert determinantal_points(rows, quality, 8).tolist() == largest_determinant(rows, quality, 8)


def test_rows_that_are_spanned_come_last_and_the_better_first() -> None:
    rows = unit(3, d=8).repeat(3, 1)
    quality = torch.tensor([1.0, 1.0, 1.0, 0.5, 0.9, 0.7, 0.2, 0.1, 0.3])
    order = determinantal_points(rows, quality, 9).tolist()
    assert sorted(order[:3]) == [0, 1, 2]
    assert order[3:] == [4, 5, 3, 8, 6, 7]


@pytest.mark.parametrize("method", ["divprune", "cdpruner"])
def test_with_part_1_every_frame_is_by_itself(method: str) -> None:
    video = noise(4, 3, 3)
    inputs = PruneInputs(query=noise(1, 1, 2)[0, 0])
    kept = prune(VideoTokens.from_embeds(video), method, budget=4 / 9, inputs=inputs, part=1)
    assert kept.mask.flatten(1).sum(1).tolist() == [4, 4, 4, 4]
    if method == "divprune":
        for t in range(4):
            alone = prune(VideoTokens.from_embeds(video[t : t + 1]), method, budget=4 / 9)
            assert torch.equal(kept.mask[t], alone.mask[0])


@pytest.mark.parametrize("method", ["divprune", "cdpruner"])
def test_a_part_of_nothing_is_refused(method: str) -> None:
    inputs = PruneInputs(query=noise(1, 1, 2)[0, 0])
    with pytest.raises(UsageError, match=f"part of {method} must be at least 1"):
        prune(tokens(2, 2, 2), method, budget=0.5, inputs=inputs, part=0)


def test_cdpruner_prefers_what_is_unlike_the_query() -> None:
    """The authors' sign."""
    video = torch.eye(8).view(2, 2, 2, 8)
    kept = prune(
        VideoTokens.from_embeds(video),
        "cdpruner",
        budget=0.5,
        inputs=PruneInputs(query=video[1, 1]),
    )
    assert kept.count == 4
    assert not kept.mask[1, 1].any()
    assert kept.scores is not None
    assert kept.scores[1, 1].max() < kept.scores[0].min()
