"""STTS through evs's own Molmo2 tower, with the weights of the authors' blocks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn
from transformers.models.molmo2.configuration_molmo2 import Molmo2VisionConfig
from transformers.models.molmo2.modeling_molmo2 import Molmo2VisionModel

from evscli.encoders.early import finish
from evscli.models.molmo2.tower import Molmo2Tower
from evscli.pruners import check_selection, select_windows
from evscli.records import PruneInputs, WindowTokens
from tests.encoders.layouts import begun

GOLDEN = sorted((Path(__file__).parent.parent / "data" / "golden").glob("stts_*.safetensors"))
SIDE = 27
STRIDE = 7
SCORER = "weights.temporal_token_scorer."
NAMES = {
    "attention_norm": "layer_norm1",
    "attention.wq": "self_attn.q_proj",
    "attention.wk": "self_attn.k_proj",
    "attention.wv": "self_attn.v_proj",
    "attention.wo": "self_attn.o_proj",
    "ffn_norm": "layer_norm2",
    "feed_forward.w1": "mlp.fc1",
    "feed_forward.w2": "mlp.fc2",
}


class GoldenTower(Molmo2Tower):
    """The tower between the patches and the connector: what the golden files hold."""

    def embed(self, patches: Tensor) -> Tensor:
        return patches

    def window_tokens(  # type: ignore[override]
        self, states: dict[int, Tensor], windows: Tensor
    ) -> tuple[Tensor, Tensor]:
        del windows
        return states[5].flatten(1), states[6].flatten(1)[None]


@pytest.fixture(params=GOLDEN, ids=lambda path: path.stem)
def golden(request: pytest.FixtureRequest) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(request.param, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118


def tower_of(tensors: dict[str, Tensor], heads: int) -> Molmo2Tower:
    inner, width = tensors["weights.resblocks.0.feed_forward.w1.weight"].shape
    config = Molmo2VisionConfig(
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=7,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        head_dim=width // heads,
        layer_norm_eps=1e-5,
    )
    model = Molmo2VisionModel._from_config(config, attn_implementation="sdpa").eval()
    for number, layer in enumerate(model.layers):
        for theirs, ours in NAMES.items():
            name = f"weights.resblocks.{number}.{theirs}"
            parts = {part: tensors[f"{name}.{part}"] for part in ("weight", "bias")}
            layer.get_submodule(ours).load_state_dict(parts)
    projector = nn.Module()
    projector.config = SimpleNamespace(vision_feature_layer=(-1, -2))  # type: ignore[assignment]
    vision = SimpleNamespace(vision_tower=model, multi_modal_projector=projector)
    return GoldenTower(vision, (SIDE, SIDE))


def spread_out(tokens: Tensor, kept: Tensor, tower: Molmo2Tower) -> Tensor:
    """Windows [n, 9 * C] at their patches, 0 elsewhere: every 7th patch [T, 105, C]."""
    full = torch.zeros(*kept.shape[:1], SIDE**2, tokens.shape[1] // 9)
    frame, window = kept.flatten(1).nonzero(as_tuple=True)
    full[frame[:, None], tower.window_patches[window]] = tokens.view(len(tokens), 9, -1)
    return full[:, ::STRIDE]


def test_the_whole_way_is_that_of_the_authors(
    golden: tuple[dict[str, Tensor], dict[str, str]],
) -> None:
    tensors, parameters = golden
    tower = tower_of(tensors, int(parameters["num_heads"]))
    scorer = {n.removeprefix(SCORER): v for n, v in tensors.items() if n.startswith(SCORER)}
    patches, budget = tensors["patches"], 1 - float(parameters["budget_pruned"])
    request = check_selection("stts", budget)
    assert request.prune_at == int(parameters["prune_after_layer"])
    with torch.inference_mode():
        prefix = begun(tower, request.prune_at, patches.split(3), len(patches))
        inputs = PruneInputs(scorer=scorer, heads=tower.heads)
        choice = select_windows(request, prefix.windows(), inputs)
        tokens: WindowTokens = finish(prefix, choice, patches=1000, device=patches.device)
    mask = choice.kept.mask
    assert choice.kept.scores is not None
    assert torch.equal(mask.flatten(1), tensors["keep"])
    scores = choice.kept.scores.flatten(1)
    torch.testing.assert_close(scores, tensors["scores"], atol=1e-5, rtol=0)
    assert tokens.planes is not None
    states = {"hidden_prune_layer": tokens.embeds, "hidden_last": tokens.planes[0]}
    for name, ours in states.items():
        wanted = tensors[name]
        near = {"atol": 1e-4 * float(wanted.abs().max()), "rtol": 0}
        torch.testing.assert_close(spread_out(ours, mask, tower), wanted, **near)
