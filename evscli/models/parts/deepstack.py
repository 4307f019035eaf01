"""The output of vision encoders with DeepStack planes, made of records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.models.qwen3_vl.modeling_qwen3_vl import BaseModelOutputWithDeepstackFeatures

from evscli.errors import DamagedError
from evscli.records import PrunedVideo


def deepstack_output(records: Sequence[PrunedVideo], device: torch.device) -> Any:
    """Return visual tokens as the encoder does, with a list over DeepStack planes."""
    planes = range(records[0].info.model.deepstack_planes)
    return BaseModelOutputWithDeepstackFeatures(
        pooler_output=tuple(record.embeds.to(device) for record in records),
        deepstack_features=[
            tuple(deepstack_plane(record, plane).to(device) for record in records)
            for plane in planes
        ],
    )


def deepstack_plane(record: PrunedVideo, plane: int) -> Tensor:
    """Return one plane [K, D]. Raises DamagedError where the shard lost its planes."""
    if record.deepstack is None:
        raise DamagedError(f"{record.id!r} lacks its DeepStack planes: prune the video again")
    return record.deepstack[plane]
