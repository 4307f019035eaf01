"""What two stores must have in common."""

from __future__ import annotations

import torch

from evscli.store import Store, verify


def assert_same(store: Store, expected: Store) -> None:
    """The same videos, tensor for tensor, and every one in exactly one shard."""
    assert list(store) == list(expected)
    for video in store:
        one, other = store[video].tensors(), expected[video].tensors()
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert list(verify(store)) == []
    lines = [line for path in store.path.glob("manifest-*") for line in path.read_text().split()]
    assert len(lines) == len(expected)
