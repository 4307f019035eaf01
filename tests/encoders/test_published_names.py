"""The key names published checkpoints use, against the installed transformers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import CONFIG_MAPPING
from transformers.conversion_mapping import get_checkpoint_conversion_mapping

from evscli.encoders.checkpoint import load_name
from evscli.encoders.digest import vision_name
from evscli.encoders.families import FAMILIES

CLASSES = {
    "qwen2_5_vl": "Qwen2_5_VLForConditionalGeneration",
    "qwen3_vl": "Qwen3VLForConditionalGeneration",
    "qwen3_vl_moe": "Qwen3VLMoeForConditionalGeneration",
}
INDEXES = Path(__file__).parents[1] / "data" / "published_names"


def published(family: str) -> list[str]:
    index = json.loads((INDEXES / f"{family}.index.json").read_text())
    return list(index["weight_map"])


@pytest.mark.parametrize("family", FAMILIES)
def test_published_vision_names_are_those_of_the_class(family: str) -> None:
    config = CONFIG_MAPPING[family]().vision_config
    config.depth = 2
    config.deepstack_visual_indexes = [0]
    with torch.device("meta"):
        expected = load_name(FAMILIES[family].vision)(config).state_dict().keys()

    names = [name for key in published(family) if (name := vision_name(key))]

    assert sorted(names) == sorted(expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_names_agree_with_the_conversion_mapping_of_transformers(family: str) -> None:
    renamings = get_checkpoint_conversion_mapping(CLASSES[family]) or []
    for key in published(family):
        renamed = key
        for renaming in renamings:
            renamed, _ = renaming.rename_source_key(renamed)

        in_model = renamed.removeprefix("model.visual.") if "model.visual." in renamed else None
        assert vision_name(key) == in_model
