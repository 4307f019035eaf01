"""The key names published checkpoints use, against the installed transformers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import CONFIG_MAPPING
from transformers.conversion_mapping import get_checkpoint_conversion_mapping

from evscli.encoders.checkpoint import load_name, part_of
from evscli.encoders.digest import vision_name
from evscli.models.registry import built_in

CLASSES = {
    "qwen2_5_vl": "Qwen2_5_VLForConditionalGeneration",
    "qwen3_vl": "Qwen3VLForConditionalGeneration",
    "qwen3_vl_moe": "Qwen3VLMoeForConditionalGeneration",
}
INDEXES = Path(__file__).parents[1] / "data" / "published_names"
PUBLISHED = sorted(path.name.partition(".")[0] for path in INDEXES.iterdir())
"""The families whose lists of published names are here; test_families.py has those that
transformers writes."""


def published(family: str) -> list[str]:
    index = json.loads((INDEXES / f"{family}.index.json").read_text())
    return list(index["weight_map"])


@pytest.mark.parametrize("family", PUBLISHED)
def test_published_vision_names_are_those_of_the_class(family: str) -> None:
    spec = built_in()[family]
    config = part_of(CONFIG_MAPPING[family](), spec)
    config.vision_config.depth = config.vision_config.num_hidden_layers = 2
    config.vision_config.deepstack_visual_indexes = [0]
    if family == "molmo2":
        config.adapter_config.vision_feature_layer = [0, 1]
    if not spec.whole_config:
        config = config.vision_config
    with torch.device("meta"):
        expected = load_name(spec.vision)(config).state_dict().keys()

    names = [name for key in published(family) if (name := vision_name(key, spec))]

    assert sorted(names) == sorted(expected)


@pytest.mark.parametrize("family", CLASSES)
def test_names_agree_with_the_conversion_mapping_of_transformers(family: str) -> None:
    renamings = get_checkpoint_conversion_mapping(CLASSES[family]) or []
    for key in published(family):
        renamed = key
        for renaming in renamings:
            renamed, _ = renaming.rename_source_key(renamed)

        in_model = renamed.removeprefix("model.visual.") if "model.visual." in renamed else None
        assert vision_name(key, built_in()[family]) == in_model


def test_a_scorer_beside_the_tower_is_none_of_its_weights() -> None:
    name = "vision_backbone.image_vit.transformer.temporal_token_scorer.mlp.w1.weight"
    family = built_in()["molmo2"]
    assert vision_name(name, family) is None
    assert vision_name(f"model.{name}", family) is None


@pytest.mark.parametrize("key", published("molmo2"))
def test_newer_molmo2_names_stay_as_they_are(key: str) -> None:
    family = built_in()["molmo2"]
    if name := vision_name(key, family):
        assert vision_name(f"model.{name}", family) == vision_name(name, family) == name
