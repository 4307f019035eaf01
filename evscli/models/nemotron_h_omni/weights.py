"""The weights of a Nemotron-Omni model's vision side, by the names that they have in transformers.

Checkpoints have the names and the joined weights of the tower's own code, and lack scales that
change nothing. Nothing here imports transformers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from evscli.errors import ModelError

RENAMED = {
    "mlp1.0.": "multi_modal_projector.layer_norm.",
    "mlp1.1.": "multi_modal_projector.linear_1.",
    "mlp1.3.": "multi_modal_projector.linear_2.",
    "radio_model.model.patch_generator.video_embedder.": "embeddings.video_patch_projection.",
    "radio_model.model.patch_generator.embedder.": "embeddings.patch_projection.",
    "radio_model.model.patch_generator.pos_embed": "embeddings.position_embedding",
    "radio_model.model.patch_generator.cls_token.token": "embeddings.cls_register_token",
    "radio_model.model.blocks.": "encoder.layer.",
    "radio_model.": "",
    "attn.proj.": "attention.o_proj.",
}
"""The beginnings and middles of names in checkpoints, and in transformers."""

JOINED = "attn.qkv."
PARTS = ("attention.q_proj.", "attention.k_proj.", "attention.v_proj.")
NO_WEIGHTS = ("vision_model.summary_idxs", "vision_model.input_conditioner.")
"""Indices of class tokens that no token is made of, and a normalisation that processors do."""
FINAL_NORM = "vision_final_layernorm."
BLOCK = re.compile(r"(vision_model\.encoder\.layer\.\d+\.)norm([12])\.weight")


def tower_weights(found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the vision side's weights of those that a checkpoint or a loaded model has.

    Scales of the blocks' outputs that are not there are 1. Raises ModelError for a final norm with
    weights of its own, which published checkpoints do not have.
    """
    weights = dict(named for key, value in found.items() for named in own_parts(key, value))
    for name in [name for name in weights if name.startswith(FINAL_NORM)]:
        weight = weights.pop(name)
        if not torch.equal(weight, torch.full_like(weight, float(name.endswith("weight")))):
            raise ModelError(
                f"the vision side has a trained {name}, which is not supported: use the published "
                "checkpoint"
            )
    for block in [block for name in weights if (block := BLOCK.fullmatch(name))]:
        like = weights[block[0]]
        weights.setdefault(f"{block[1]}layer_scale{block[2]}.lambda1", torch.ones_like(like))
    return weights


def own_parts(key: str, value: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Yield the weights that one of a checkpoint is, each with its name; none where it is none."""
    name = key
    for theirs, ours in RENAMED.items():
        name = name.replace(theirs, ours)
    if JOINED in name:
        for part, rows in zip(PARTS, value.chunk(len(PARTS)), strict=True):
            yield name.replace(JOINED, part), rows
    elif not name.startswith(NO_WEIGHTS):
        yield name, value
