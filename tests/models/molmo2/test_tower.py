"""Our Molmo2 tower against transformers' own video features."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers.models.molmo2.configuration_molmo2 import Molmo2Config
from transformers.models.molmo2.modeling_molmo2 import Molmo2Model

from evscli.encoders.early import finish
from evscli.encoders.tower import encode_frames, patches_of
from evscli.models.molmo2.tower import Molmo2Tower, Molmo2Vision
from evscli.records import KeptTokens, WindowChoice
from tests.encoders.layouts import begun

SIDE = 9
FRAMES = 5


@pytest.fixture(scope="module")
def model() -> Molmo2Model:
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
    return Molmo2Model(config).eval()


@pytest.fixture(scope="module")
def tower(model: Molmo2Model) -> Molmo2Tower:
    vision = Molmo2Vision(model.config).eval()
    weights = {
        name: value
        for name, value in model.state_dict().items()
        if not name.startswith("language_model.")
    }
    vision.load_state_dict(weights)
    return Molmo2Tower(vision, (SIDE, SIDE))


@pytest.fixture(scope="module")
def patches() -> Tensor:
    return torch.randn(FRAMES, SIDE**2, 3 * 14**2, generator=torch.Generator().manual_seed(0))


def test_tokens_are_those_of_transformers(
    model: Molmo2Model, tower: Molmo2Tower, patches: Tensor
) -> None:
    first = torch.arange(FRAMES)[:, None, None] * SIDE**2
    with torch.inference_mode():
        embeds, planes = encode_frames(tower, patches)
        output = model.get_video_features(
            patches, (tower.pooling + first).flatten(0, 1), torch.tensor([[FRAMES, 3, 3]])
        )
    assert planes is None
    assert embeds.shape == (FRAMES, 3, 3, 24)
    assert torch.equal(embeds.flatten(0, 2), output.pooler_output[0])


@pytest.mark.parametrize("after", [0, 1, 3])
def test_pruning_on_the_way_is_masking_the_rest(
    tower: Molmo2Tower, patches: Tensor, after: int
) -> None:
    keep = torch.rand((FRAMES, 3, 3), generator=torch.Generator().manual_seed(1)) < 0.5
    choice = WindowChoice(kept=KeptTokens(mask=keep, expected=int(keep.sum())))
    with torch.inference_mode():
        prefix = begun(tower, after, patches.split(2), FRAMES)
        ours = finish(prefix, choice, patches=100, device=torch.device("cpu"))
        hidden, states = tower.embed(patches), {}
        dropped = patches_of(tower, torch.zeros(keep.shape).masked_fill(~keep, -torch.inf))
        for number in range(tower.depth):
            hidden = tower.block(number, hidden, dropped if number > after else None)
            states[number] = hidden
        embeds, _ = tower.tokens(states)
    torch.testing.assert_close(ours.embeds, embeds[keep], rtol=1e-4, atol=1e-5)
