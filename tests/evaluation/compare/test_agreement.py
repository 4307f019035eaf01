from __future__ import annotations

import pytest
import torch

from evscli.evaluation.compare.agreement import agreement


def log(*shares: float) -> torch.Tensor:
    return torch.tensor(shares).log()


def test_the_same_distribution_agrees() -> None:
    same = agreement(log(0.7, 0.2, 0.1), log(0.7, 0.2, 0.1))
    assert (same.kl, same.same_token) == (0.0, True)


def test_kl_is_of_the_pruned_from_the_unpruned() -> None:
    unpruned, pruned = (0.7, 0.2, 0.1), (0.2, 0.7, 0.1)
    found = agreement(log(*unpruned), log(*pruned))
    expected = sum(
        p * float(torch.tensor(p / q).log()) for p, q in zip(unpruned, pruned, strict=True)
    )
    assert found.kl == pytest.approx(expected, rel=1e-6)
    assert not found.same_token
