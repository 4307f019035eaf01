"""Our Molmo2 tower pruned on the way: behind blocks that are read and that are not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers.models.molmo2.configuration_molmo2 import Molmo2Config

from evscli.encoders.early import finish
from evscli.models.molmo2.tower import Molmo2Tower, Molmo2Vision
from evscli.records import KeptTokens, WindowChoice
from tests.encoders.layouts import begun, masked

SIDE = 9
FRAMES = 5


@pytest.fixture(scope="module")
def tower() -> Molmo2Tower:
    config = Molmo2Config(
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 5,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "image_size": [SIDE * 14, SIDE * 14],
        },
        adapter_config={
            "vision_feature_layer": [-1, 2],
            "hidden_size": 32,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "intermediate_size": 40,
            "text_hidden_size": 24,
        },
        text_config={
            "hidden_size": 24,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 12,
            "vocab_size": 50,
            "additional_vocab_size": 8,
            "num_hidden_layers": 1,
            "intermediate_size": 16,
        },
    )
    torch.manual_seed(0)
    return Molmo2Tower(Molmo2Vision(config).eval(), (SIDE, SIDE))


@pytest.fixture(scope="module")
def patches() -> Tensor:
    return torch.randn(FRAMES, SIDE**2, 3 * 14**2, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("after", [1, 3])
def test_pruning_on_the_way_is_masking_the_rest(
    tower: Molmo2Tower, patches: Tensor, after: int
) -> None:
    keep = torch.rand((FRAMES, 3, 3), generator=torch.Generator().manual_seed(1)) < 0.5
    choice = WindowChoice(kept=KeptTokens(mask=keep, expected=int(keep.sum())))
    with torch.inference_mode():
        prefix = begun(tower, after, patches.split(2), FRAMES)
        ours = finish(prefix, choice, patches=100, device=torch.device("cpu"))
    embeds, _ = masked(tower, patches, keep, after)
    torch.testing.assert_close(ours.embeds, embeds[keep], rtol=1e-4, atol=1e-5)
