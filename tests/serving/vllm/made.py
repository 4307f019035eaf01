"""Stores of the sample videos in float32, and checkpoints that vLLM takes on a CPU."""

from __future__ import annotations

import json
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
    config, case = make_wide_config(family), CASES.get(family)
    tokenizer = make_tokenizer(family) if case is None else case.tokenizer()
    tokenizer.save_pretrained(folder)
    if family == "internvl":
        name_tokens(folder / "tokenizer_config.json")
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(config, dtype=torch.float32)
    model.save_pretrained(folder)
    as_published(folder / "model.safetensors")
    own = QWEN2_5_VIDEO_PROCESSOR if family == "qwen2_5_vl" else QWEN3_VIDEO_PROCESSOR
    own = own if case is None else dict(case.processor)
    (folder / "video_preprocessor_config.json").write_text(json.dumps(own))
    image = json.loads((MINI_FOLDER / "preprocessor_config.json").read_text())
    image["patch_size"] = own.get("patch_size", 14)
    if family.startswith("glm"):
        image |= {"image_processor_type": "Glm4vImageProcessor", "size": own["size"]}
    if family in PLAIN:
        image |= {"image_processor_type": PLAIN[family], "size": own["size"]}
    (folder / "preprocessor_config.json").write_text(json.dumps(image))
    return folder


def name_tokens(path: Path) -> None:
    """Name the special tokens that the processor of InternVL asks its tokenizer for."""
    named = {"start_image": "<img>", "end_image": "</img>", "context_image": "<IMG_CONTEXT>"}
    saved = json.loads(path.read_text())
    saved |= {f"{name}_token": token for name, token in {**named, "video": "<video>"}.items()}
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
    case = CASES.get(family)
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
    if not plain:
        vision["out_hidden_size"] = 128
    return CONFIG_MAPPING[family].from_dict(config)
