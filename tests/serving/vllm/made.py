"""Stores of the sample videos in float32, and checkpoints that vLLM takes on a CPU."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import CONFIG_MAPPING, AutoModelForImageTextToText

from evscli.api import prune_videos
from evscli.bundled import MINI_FOLDER
from evscli.job import Encoding, Execution, Job, Selection, Storage
from tests.checkpoints import (
    QWEN2_5_VIDEO_PROCESSOR,
    QWEN3_VIDEO_PROCESSOR,
    make_config,
    make_tokenizer,
)
from tests.families import CASES
from tests.families.case import Case
from tests.families.qwen_omni import MELS, TOKENS

SAMPLES = ("fixed-camera", "hard-cuts", "moving-camera", "phone-rotated", "variable-rate")
"""The ids of the sample videos."""

QUESTIONS = (
    "how many scenes are there?",
    "which way does the red ball move, left or right?",
    "which shape appears briefly?",
)


PLAIN = {
    "llava_onevision": "LlavaOnevisionImageProcessor",
    "internvl": "GotOcr2ImageProcessor",
}
"""The families with plain positions, and their classes of processors of images."""

OMNI = {
    "qwen2_5_omni": "Qwen2_5OmniForConditionalGeneration",
    "qwen3_omni_moe": "Qwen3OmniMoeForConditionalGeneration",
}
"""The families whose checkpoints hold a thinker, and the classes of the whole models."""


def prune(
    folder: Path,
    *methods: str,
    budgets: tuple[float, ...] = (),
    store_dtype: str = "auto",
    segment: float | None = None,
    model: str = "mini",
) -> Path:
    """Prune the sample videos into `folder`, or below it for several selections; returns it."""
    prune_videos(
        "sample_videos",
        Job(
            selection=Selection(methods=methods, budgets=budgets),
            encoding=Encoding(model=model, dtype="float32", device="cpu"),
            storage=Storage(output=str(folder), store_dtype=store_dtype, segment=segment),
            execution=Execution(workers=1),
        ),
    )
    return folder


def make_served(folder: Path, family: str) -> Path:
    """Write a random checkpoint of `family` that vLLM takes on a CPU, with heads of 32 values."""
    config, case = make_wide_config(family), case_of(family)
    tokenizer = make_tokenizer(family) if case is None else case.tokenizer()
    tokenizer.save_pretrained(folder)
    if family == "internvl":
        named = {"start_image": "<img>", "end_image": "</img>", "context_image": "<IMG_CONTEXT>"}
        name_tokens(folder / "tokenizer_config.json", {**named, "video": "<video>"})
    if family in OMNI:
        name_tokens(folder / "tokenizer_config.json", TOKENS[thinker(family)])
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(config, dtype=torch.float32)
    model.save_pretrained(folder)
    as_published(folder / "model.safetensors")
    if family in OMNI:
        make_whole(folder, family)
    own = QWEN2_5_VIDEO_PROCESSOR if family == "qwen2_5_vl" else QWEN3_VIDEO_PROCESSOR
    own = own if case is None else dict(case.processor)
    (folder / "video_preprocessor_config.json").write_text(json.dumps(own))
    image = json.loads((MINI_FOLDER / "preprocessor_config.json").read_text())
    image["patch_size"] = own.get("patch_size", 14)
    if family.startswith("glm"):
        image |= {"image_processor_type": "Glm4vImageProcessor", "size": own["size"]}
    if family in OMNI:
        image |= {"feature_extractor_type": "WhisperFeatureExtractor", "feature_size": MELS}
    if family in PLAIN:
        image |= {"image_processor_type": PLAIN[family], "size": own["size"]}
    (folder / "preprocessor_config.json").write_text(json.dumps(image))
    return folder


def thinker(family: str) -> str:
    """The type of the part of a model that tests of families make."""
    return f"{family}_thinker" if family in OMNI else family


def case_of(family: str) -> Case | None:
    """The case of a family in the tests of families, if it has one."""
    return CASES.get(thinker(family))


def make_whole(folder: Path, family: str) -> None:
    """Make the checkpoint of a thinker that of a whole model, as far as vLLM reads one."""
    weights = load_file(folder / "model.safetensors")
    named = {f"thinker.{name}": value for name, value in weights.items()}
    save_file(named, folder / "model.safetensors", metadata={"format": "pt"})
    own = json.loads((folder / "config.json").read_text())
    whole = {"model_type": family, "architectures": [OMNI[family]], "thinker_config": own}
    (folder / "config.json").write_text(json.dumps(whole))


def name_tokens(path: Path, named: Mapping[str, str]) -> None:
    """Name the special tokens that a processor asks its tokenizer for."""
    saved = json.loads(path.read_text())
    saved |= {f"{name}_token": token for name, token in named.items()}
    path.write_text(json.dumps(saved))


def as_published(path: Path) -> None:
    """Lay the experts' weights as published checkpoints have them, which transformers turns."""
    weights = load_file(path)
    for name, value in weights.items():
        if ".experts." in name and value.ndim == 3:
            weights[name] = value.transpose(1, 2).contiguous()
    save_file(weights, path, metadata={"format": "pt"})


def make_wide_config(family: str) -> Any:
    """The configuration of a tiny model of `family` in which a head has 32 values."""
    case = case_of(family)
    config = (make_config(family) if case is None else case.config(case.tokenizer())).to_dict()
    text, vision = config["text_config"], config["vision_config"]
    plain = family in PLAIN
    text |= {"hidden_size": 128, "intermediate_size": 192, "head_dim": 32}
    if not plain:
        text["rope_parameters"]["mrope_section"] = [6, 5, 5]
    if family.startswith("qwen3_5"):
        rope = text["rope_parameters"]
        rope["mrope_section"] = [2, 1, 1]
        rope["partial_rotary_factor"] = 0.25
        # vLLM has linear attention on a CPU in bfloat16 only, which proves nothing about positions.
        text["layer_types"] = ["full_attention"] * len(text["layer_types"])
    if family == "qwen3_vl_moe":
        text["norm_topk_prob"] = True  # as published configurations say
    if family == "glm4v_moe":
        text["use_qk_norm"] = False  # likewise
    if family in OMNI:
        config["audio_config"]["output_dim"] = 128
        text["tie_word_embeddings"] = False  # which transformers reads of the thinker's own values
    if family == "qwen3_omni_moe":  # as published configurations say
        text["rope_parameters"]["mrope_interleaved"] = text["norm_topk_prob"] = True
        vision["apply_vit_abs_pos_embed"] = True
        vision["image_size"] = vision["patch_size"] * isqrt(vision["num_position_embeddings"])
    if not plain:
        vision["out_hidden_size"] = 128
    return CONFIG_MAPPING[thinker(family)].from_dict(config)
