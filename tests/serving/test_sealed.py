"""A tensor that names a store was made by this process, of an address that it checked."""

from __future__ import annotations

import pytest
import torch

from evscli.errors import UsageError
from evscli.serving.address import VideoAddress
from evscli.serving.vllm.sealed import is_sealed, seal, unseal

ADDRESS = VideoAddress(store="/data/störe", id="a b", budget="0.1")


def test_an_address_comes_back() -> None:
    assert unseal(seal(ADDRESS)) == ADDRESS
    assert is_sealed(seal(ADDRESS))
    assert is_sealed([seal(ADDRESS)])
    assert not is_sealed([])
    assert not is_sealed(torch.zeros(4, 8))


@pytest.mark.parametrize("place", [0, 31, 32, -1])
def test_a_changed_one_is_refused(place: int) -> None:
    tensor = seal(ADDRESS)
    tensor[place] ^= 1
    with pytest.raises(UsageError, match="none that this server made"):
        unseal(tensor)


@pytest.mark.parametrize("values", [[], [1, 2, 3], [0] * 100])
def test_bytes_of_a_request_are_refused(values: list[int]) -> None:
    with pytest.raises(UsageError, match="give an address such as evs:store#id"):
        unseal(torch.tensor(values, dtype=torch.uint8))
