"""Nemotron-Omni beside the suite of all families: its rate, its weights, its times, and EVS."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoModelForImageTextToText
from transformers.models.nemotron_h_omni.modeling_nemotron_h_omni import compute_retention_mask
from transformers.video_utils import VideoMetadata

from evscli.encoders import load_encoder
from evscli.encoders.digest import vision_digests, vision_weights
from evscli.encoders.processor import import_class
from evscli.encoders.tower import encode_frames
from evscli.errors import ModelError, UsageError
from evscli.language.prompt import PromptBuilder
from evscli.models.nemotron_h_omni import FAMILIES
from evscli.models.nemotron_h_omni.prompt import PROMPT, nominal_times
from evscli.models.nemotron_h_omni.rules import NemotronRules
from evscli.models.nemotron_h_omni.tower import NemotronTower, NemotronVision
from evscli.pruners.methods.evs import PRUNER
from evscli.records import PruneInputs, Sampling, VideoTokens
from tests.families import CASES

(SPEC,) = FAMILIES
CASE = CASES[SPEC.model_type]
OLDER = {
    "image_token_id": "img_context_token_id",
    "video_token_id": "video_context_token_id",
    "text_config": "llm_config",
    "audio_config": "sound_config",
    "vision_hidden_size": "vit_hidden_size",
}


def processor_of(**values: Any) -> Any:
    """The family's processor, with the sizes that a tower gives it."""
    made = import_class(SPEC.video_processors[0])(norm_mean=[0.5] * 3, norm_std=[0.5] * 3, **values)
    made.temporal_patch_size = made.merge_size = 2
    return made


def rules_of(asked: Sampling, **values: Any) -> NemotronRules:
    """The rules of a checkpoint with these values."""
    return NemotronRules(processor_of(**values), asked, SPEC.own_fps)


@pytest.fixture(scope="module")
def model() -> Any:
    """A tiny model whose language part predicts several tokens at once."""
    config = CASE.config(CASE.tokenizer())
    config.text_config.num_nextn_predict_layers = 1
    torch.manual_seed(0)
    return AutoModelForImageTextToText.from_config(config, dtype=torch.float32).eval()


@pytest.mark.parametrize(
    ("frames", "fps", "wanted"),
    [(901, 29.97, {"fps": 2}), (20_000, 25.0, {"num_frames": 256}), (10, 1.0, {"num_frames": 10})],
)
def test_two_frames_a_second_are_taken_where_nobody_says_more(
    frames: int, fps: float, wanted: dict[str, int]
) -> None:
    about = VideoMetadata(total_num_frames=frames, fps=fps)
    expected = processor_of().sample_frames(about, **wanted)
    assert rules_of(Sampling()).sample(frames, fps).tolist() == list(map(int, expected))


def test_frames_that_are_asked_for_go_before_the_checkpoints_and_these_before_the_own() -> None:
    assert len(rules_of(Sampling(num_frames=5)).sample(100, 25.0)) == 5
    assert len(rules_of(Sampling(fps=4)).sample(20_000, 25.0)) == 3200
    assert len(rules_of(Sampling(max_frames=3)).sample(901, 25.0)) == 3
    assert len(rules_of(Sampling(), num_frames=8, do_sample_frames=True).sample(901, 25.0)) == 8
    with pytest.raises(UsageError, match=r"^--max-pixels is not supported for this model"):
        rules_of(Sampling(max_pixels=10_000))


def published(model: Any) -> dict[str, Tensor]:
    """The vision weights as the tower's own code names and joins them, and no others."""
    back = {
        "embeddings.video_patch_projection": "patch_generator.video_embedder",
        "embeddings.patch_projection": "patch_generator.embedder",
        "embeddings.position_embedding": "patch_generator.pos_embed",
        "embeddings.cls_register_token": "patch_generator.cls_token.token",
        "encoder.layer": "blocks",
        "attention.o_proj": "attn.proj",
    }
    found: dict[str, Tensor] = {"vision_model.radio_model.input_conditioner.norm_mean": Tensor([1])}
    for name, weight in model.vision_model.state_dict().items():
        for ours, theirs in back.items():
            name = name.replace(ours, theirs)
        kind = "" if name == "summary_idxs" else "model."
        if "layer_scale" not in name and "attention" not in name:
            found[f"vision_model.radio_model.{kind}{name}"] = weight
    for number, layer in enumerate(model.vision_model.encoder.layer):
        attend = layer.attention
        for kind in ("weight", "bias"):
            parts = [getattr(part, kind) for part in (attend.q_proj, attend.k_proj, attend.v_proj)]
            found[f"vision_model.radio_model.model.blocks.{number}.attn.qkv.{kind}"] = torch.cat(
                parts
            )
    projector = model.multi_modal_projector
    for place, part in (
        (0, projector.layer_norm),
        (1, projector.linear_1),
        (3, projector.linear_2),
    ):
        found[f"mlp1.{place}.weight"] = part.weight
    return found


def test_published_weights_are_those_of_the_model_that_has_scales_of_one(model: Any) -> None:
    sound = {"sound_encoder.encoder.layers.0.norm.weight": Tensor([1])}
    ours = vision_weights({**published(model), **sound}, SPEC)
    own = vision_weights(model.state_dict(), SPEC)
    assert {name for name in own if name.startswith("vision_final")} == set()
    assert ours.keys() == own.keys()
    assert all(torch.equal(weight, own[name]) for name, weight in ours.items())


def test_a_checkpoint_with_older_names_and_sound_is_read(model: Any, tmp_path: Path) -> None:
    config = model.config.to_dict()
    for name, older in OLDER.items():
        config[older] = config.pop(name)
    config["sound_config"]["model_type"] = "parakeet"  # which transformers does not know
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "video_preprocessor_config.json").write_text(json.dumps(CASE.processor))
    save_file(
        {name: weight.contiguous() for name, weight in published(model).items()},
        tmp_path / "model.safetensors",
    )
    info = load_encoder(str(tmp_path), device="cpu").info
    assert info.vision_sha256 == vision_digests(model.state_dict()).stored
    assert (info.embed_dim, info.temporal_patch_size, info.merge_size) == (48, 2, 2)


def test_a_trained_final_norm_is_refused(model: Any) -> None:
    trained = {**model.state_dict(), "vision_final_layernorm.bias": Tensor([0.0, 0.5])}
    with pytest.raises(ModelError, match=r"trained vision_final_layernorm.bias.* published"):
        vision_weights(trained, SPEC)


def test_a_model_that_predicts_several_tokens_has_its_features_normalised(model: Any) -> None:
    vision = NemotronVision(model.config).eval()
    vision.load_state_dict(vision_weights(published(model), SPEC))
    images = torch.randn(2, 6, 32, 48)
    with torch.no_grad():
        embeds, _ = encode_frames(NemotronTower(vision, (4, 6)), images)
        expected = model.get_video_features(images.view(4, 3, 32, 48)).pooler_output
    assert torch.equal(embeds.flatten(1, 2), expected)


def test_times_are_whole_milliseconds_a_frame_or_the_real_ones() -> None:
    video: Any = SimpleNamespace(
        source_index=torch.tensor([0, 3, 6, 9, 12]),
        frame_times=torch.tensor([0.0, 0.1, 0.2, 0.3, 0.4]),
        prompt_times=torch.tensor([0, 6 * 33, 12 * 33], dtype=torch.float64) / 1000,
        info=SimpleNamespace(model=SimpleNamespace(temporal_patch_size=2), source_fps=29.97),
    )
    nominal = [0.0, 0.099, 0.198, 0.297, 0.396]
    assert nominal_times(video).tolist() == nominal
    for real, times in ((False, nominal), (True, video.frame_times.tolist())):
        builder = PromptBuilder(form=PROMPT, tokenizer=None, template="", real_times=real)
        assert builder.times(video).tolist() == times


@pytest.mark.parametrize("rate", [0.3, 0.7, 0.95])
def test_evs_keeps_what_the_models_own_function_keeps_for_the_true_grid(rate: float) -> None:
    torch.manual_seed(0)
    embeds = torch.randn(4, 3, 5, 16)
    own = compute_retention_mask(
        video_embeds=embeds.view(-1, 16), thw=(4, 3, 5), spatial_merge_size=1, q=rate
    )
    options = PRUNER.option_type(pruning_rate=rate)
    tokens = VideoTokens(embeds=embeds, deepstack=None)
    kept = PRUNER.function(tokens, PruneInputs(), 1 - rate, options)
    assert torch.equal(kept.mask.flatten(), own)
