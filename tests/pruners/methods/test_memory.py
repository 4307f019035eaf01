"""Tokens in bfloat16 are scored in float32, and never copied whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from evscli.pruners import check_selection, list_pruners, select_tokens
from evscli.records import PruneInputs, VideoTokens
from tests.pruners.videos import noise, pictures, source

GRID = (96, 8, 8)
WIDTH = 512
LONG = {"cdpruner", "divprune"}
"""They choose one token after the other."""
METHODS = [p.name for p in list_pruners() if not p.keeps_all and p.inside is None]


class Largest(TorchDispatchMode):
    """Notes the most values that any operation gave, views of the tokens left out."""

    def __init__(self, tokens: Tensor) -> None:
        super().__init__()
        self.given = tokens.untyped_storage().data_ptr()
        self.values = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, Tensor) and value.untyped_storage().data_ptr() != self.given:
                self.values = max(self.values, value.numel())
        return result


@pytest.mark.parametrize(
    "method",
    [pytest.param(method, marks=pytest.mark.slow if method in LONG else []) for method in METHODS],
)
def test_no_step_makes_a_copy_of_all_tokens(method: str) -> None:
    embeds = noise(*GRID, WIDTH).bfloat16()
    options = {"part": 1024} if method in {"divprune", "cdpruner"} else {}
    request = check_selection(method, 0.25, options)
    pixels = source(pictures(2 * GRID[0], 2 * GRID[1], 2 * GRID[2]))
    inputs = PruneInputs(query=noise(1, 1, 3, WIDTH).view(3, -1), pixels=pixels)
    with Largest(embeds) as largest:
        kept = select_tokens(request, VideoTokens.from_embeds(embeds), inputs)
    assert kept.count == kept.expected
    assert largest.values <= 0.7 * embeds.numel()


def test_a_copy_would_be_noticed() -> None:
    embeds = noise(4, 2, 2, 8).bfloat16()
    with Largest(embeds) as largest:
        embeds.float()
    assert largest.values == embeds.numel()
