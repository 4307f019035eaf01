"""Pixels of families against those that their own processors made with torchvision.

The golden file holds four frames [4, 3, 36, 52], and what the video processor of each family made
of them (transformers 5.19, torchvision 0.28), with the values below. What is not of the first
families lies in files of their own beside it.
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
PATCH = {"patch_size": 14, "temporal_patch_size": 2, "merge_size": 2}
VALUES: dict[str, dict[str, Any]] = {
    "llava_onevision": {"size": {"height": 30, "width": 30}},
    "internvl": {"size": {"height": 28, "width": 28}},
    "glm4v": {"size": {"shortest_edge": 4 * 28 * 28, "longest_edge": 4 * 56 * 56}},
    "glm46v": {"size": {"shortest_edge": 4 * 28 * 28, "longest_edge": 4 * 56 * 56}},
    "video_llama_3": {"size": {"shortest_edge": 2 * 28 * 28, "longest_edge": 4 * 28 * 56}},
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
    "nemotron_h_omni": {
        "patch_size": 8,
        "video_target_num_patches": 24,
        "norm_mean": [0.48145466, 0.4578275, 0.40821073],
        "norm_std": [0.26862954, 0.26130258, 0.27577711],
    },
    "smolvlm": {"size": {"longest_edge": 40}, "max_image_size": {"longest_edge": 28}},
}
SIZES = {
    "llava_onevision": (30, 30),
    "internvl": (28, 28),
    "glm4v": (28, 56),
    "glm46v": (28, 56),
    "video_llama_3": (28, 56),
    "qwen2_5_omni": (28, 56),
    "qwen3_5": (32, 48),
    "nemotron_h_omni": (32, 48),
    "smolvlm": (28, 28),
}
UNROUNDED = {"nemotron_h_omni": 1e-5}
"""The tolerance of processors that resize in floating point, whose sums differ between CPUs."""


@pytest.mark.parametrize("model_type", VALUES)
def test_pixels_are_those_of_the_processor(model_type: str) -> None:
    golden, spec = load_file(GOLDEN), built_in()[model_type]
    own = GOLDEN.with_stem(f"{GOLDEN.stem}_{model_type}")
    golden |= load_file(own) if own.exists() else {}
    processor = import_class(spec.video_processors[0])(**VALUES[model_type])
    for name, value in PATCH.items():
        if not hasattr(processor, name):
            setattr(processor, name, value)
    form = load_name(spec.pixels)(processor, model=model_type)
    pixels = form.patchify(form.resize(golden["frames"], SIZES[model_type]))
    expected = golden[model_type]
    within = UNROUNDED.get(model_type, 0.0)
    torch.testing.assert_close(pixels.reshape(expected.shape), expected, rtol=0, atol=within)
