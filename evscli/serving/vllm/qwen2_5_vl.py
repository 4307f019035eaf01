"""Qwen2.5-VL: one run of tokens for a whole video, with temporal ids that grow with real time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from vllm.model_executor.models.qwen2_5_vl import (
    Qwen2_5_VLDummyInputsBuilder,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLMultiModalProcessor,
    Qwen2_5_VLProcessingInfo,
)
from vllm.model_executor.models.qwen2_vl import (
    Qwen2VLMultiModalDataParser,
    _create_qwen2vl_field_factory,
)
from vllm.multimodal import MULTIMODAL_REGISTRY

from evscli.errors import UsageError
from evscli.serving.positions import Run, contiguous
from evscli.serving.vllm.model import PrunedVideoModel, mask_of
from evscli.serving.vllm.parsing import SecondsParsing
from evscli.serving.vllm.processing import PrunedVideoProcessor, SecondsInfo

AFTER_VIDEO = "EVS_AFTER_VIDEO"
"""The variable that says by which rule text after a video goes on: that of vLLM or transformers."""


class EvsQwen2_5_VLParser(SecondsParsing, Qwen2VLMultiModalDataParser):
    """The parser of requests."""

    own_fields = staticmethod(_create_qwen2vl_field_factory)
    embedding_fields = {
        **Qwen2VLMultiModalDataParser.embedding_fields,
        "video": {
            **Qwen2VLMultiModalDataParser.embedding_fields["video"],
            "keep_mask": "metadata",
            "second_per_grid_ts": "metadata",
        },
    }

    def ids_of(self, fields: Mapping[str, Any]) -> list[Tensor]:
        """Return the temporal ids [T] of every video."""
        patches = torch.as_tensor(fields["video_grid_thw"]).reshape(-1, 3)[:, 0].tolist()
        seconds = torch.as_tensor(fields.get("second_per_grid_ts", 1.0)).float().flatten()
        pairs = zip(patches, seconds.expand(len(patches)).tolist(), strict=True)
        return [torch.arange(count) * (self.rate * interval) for count, interval in pairs]


class EvsQwen2_5_VLInfo(SecondsInfo, Qwen2_5_VLProcessingInfo):
    """Processing information."""

    parser = EvsQwen2_5_VLParser

    @property
    def rate(self) -> float:
        """The temporal ids in a second."""
        return float(self.get_hf_config().vision_config.tokens_per_second)


class EvsQwen2_5_VLProcessor(PrunedVideoProcessor, Qwen2_5_VLMultiModalProcessor):
    """The processor."""

    def replacement(self, item: Any) -> list[int]:
        """Return what stands for a video: its tokens."""
        return [self.info.get_hf_config().video_token_id] * int(item["keep_mask"].data.sum())


@MULTIMODAL_REGISTRY.register_processor(
    EvsQwen2_5_VLProcessor, info=EvsQwen2_5_VLInfo, dummy_inputs=Qwen2_5_VLDummyInputsBuilder
)
class EvsQwen2_5_VL(PrunedVideoModel, Qwen2_5_VLForConditionalGeneration):
    """Qwen2.5-VL."""

    def video_runs(self, input_tokens: list[int], feature: Any) -> Iterator[Run]:
        """Yield the one run of a video."""
        mask = mask_of(feature, self.merge_size)
        temporal = self._temporal_ids(feature, len(mask))
        offsets, advance = contiguous(mask, temporal, after_largest=after_largest())
        yield Run(start=feature.mm_position.offset, offsets=offsets, advance=advance)

    def _temporal_ids(self, feature: Any, patches: int) -> Any:
        """Return the temporal ids [T] of a video's patches: rounded as where it came from.

        Those of a store's video are rounded as in `prefill` and transformers, in float32, those of
        another video as vLLM rounds them.
        """
        seconds = feature.data.get("second_per_grid_ts")
        interval = torch.ones(()) if seconds is None else torch.as_tensor(seconds.data)
        interval = interval.float().reshape(())
        rate = self.config.vision_config.tokens_per_second
        if "keep_mask" in feature.data:
            return (torch.arange(patches) * (rate * interval)).long().numpy()
        return (np.arange(patches) * (float(interval) * rate)).astype(np.int64)


def after_largest() -> bool:
    """Return whether text goes on behind the largest id of a video. Raises UsageError."""
    rule = os.environ.get(AFTER_VIDEO, "vllm")
    if rule not in ("vllm", "transformers"):
        raise UsageError(f"{AFTER_VIDEO} is vllm or transformers, not {rule!r}: set it again")
    return rule == "vllm"
