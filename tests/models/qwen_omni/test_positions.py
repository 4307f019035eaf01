"""Positions against the thinkers' own rule, where patches are not whole seconds apart."""

from __future__ import annotations

import pytest
import torch

from evscli import prefill
from tests.models.qwen_omni.made import Thinker, own_positions

MESSAGES = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "what happens first? " * 9},
            {"type": "video"},
            {"type": "text", "text": "and " * 7},
            {"type": "video"},
            {"type": "text", "text": "what happens? " * 15},
        ],
    }
]


@pytest.mark.parametrize("seconds", [(1.0, 2.0), (2 / 3, 2 / 0.3), (2 / 29.97, 2 / 1.7)])
def test_positions_are_the_models_own_to_the_last_bit(
    thinker: Thinker, seconds: tuple[float, float]
) -> None:
    records, clips = zip(*(thinker.video(7, apart) for apart in seconds), strict=True)
    ours = prefill([*records], thinker.tokenizer, MESSAGES, model=thinker.model)
    own = own_positions(
        thinker,
        ours["input_ids"],
        [clip.patches for clip in clips],
        second_per_grids=torch.tensor(seconds),
    )
    assert torch.equal(ours["position_ids"], own)
