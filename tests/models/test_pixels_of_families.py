"""Pixels of families against those that their own processors made with torchvision.

The golden file holds four frames [4, 3, 36, 52], and what the video processor of each family made
of them (transformers 5.19, torchvision 0.28), with the values below.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from evscli.encoders.processor import import_class
from evscli.models.registry import built_in
from evscli.models.spec import load_name

GOLDEN = Path(__file__).parents[1] / "data" / "golden" / "processor_pixels.safetensors"
PATCH = {"patch_size": 14, "merge_size": 2}
VALUES: dict[str, dict[str, Any]] = {
    "llava_onevision": {"size": {"height": 30, "width": 30}},
    "internvl": {"size": {"height": 28, "width": 28}},
    "glm4v": {"size": {"shortest_edge": 4 * 28 * 28, "longest_edge": 4 * 56 * 56}},
    "glm46v": {"size": {"shortest_edge": 4 * 28 * 28, "longest_edge": 4 * 56 * 56}},
    "qwen2_5_omni": {
        **PATCH,
        "temporal_patch_size": 2,
        "size": {"shortest_edge": 28 * 28, "longest_edge": 2 * 28 * 28},
    },
    "qwen3_5": {
        "patch_size": 8,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
        "size": {"shortest_edge": 4 * 32 * 32, "longest_edge": 4 * 48 * 48},
    },
}
SIZES = {
    "llava_onevision": (30, 30),
    "internvl": (28, 28),
    "glm4v": (28, 56),
    "glm46v": (28, 56),
    "qwen2_5_omni": (28, 56),
    "qwen3_5": (32, 48),
}


@pytest.mark.parametrize("model_type", VALUES)
def test_pixels_are_those_of_the_processor(model_type: str) -> None:
    golden, spec = load_file(GOLDEN), built_in()[model_type]
    processor = import_class(spec.video_processors[0])(**VALUES[model_type])
    for name, value in PATCH.items():
        if not hasattr(processor, name):
            setattr(processor, name, value)
    form = load_name(spec.pixels)(processor, model=model_type)
    pixels = form.patchify(form.resize(golden["frames"], SIZES[model_type]))
    expected = golden[model_type]
    assert torch.equal(pixels.reshape(expected.shape), expected)
