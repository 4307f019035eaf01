"""LLaVA-OneVision: one run of tokens for a whole video, and a newline behind them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from vllm.model_executor.models.llava_onevision import (
    LlavaOnevisionDummyInputsBuilder,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionMultiModalProcessor,
    LlavaOnevisionProcessingInfo,
)
from vllm.multimodal import MULTIMODAL_REGISTRY

from evscli.serving.positions import Run
from evscli.serving.vllm.model import mask_of
from evscli.serving.vllm.plain import PlainInfo, PlainModel, PlainSizes, plain_run
from evscli.serving.vllm.processing import PrunedVideoProcessor


class LlavaSizes(PlainSizes):
    """The sizes of LLaVA-OneVision, whose newline no mask counts."""

    suffix_tokens = 1


class EvsLlavaOnevisionInfo(LlavaSizes, PlainInfo, LlavaOnevisionProcessingInfo):
    """Processing information."""


class EvsLlavaOnevisionProcessor(PrunedVideoProcessor, LlavaOnevisionMultiModalProcessor):
    """The processor."""

    def replacement(self, item: Any) -> list[int]:
        """Return what stands for a video: its tokens and the newline's."""
        count = int(item["keep_mask"].data.sum()) + self.info.sizes.suffix
        return [self.info.get_hf_config().video_token_index] * count


@MULTIMODAL_REGISTRY.register_processor(
    EvsLlavaOnevisionProcessor,
    info=EvsLlavaOnevisionInfo,
    dummy_inputs=LlavaOnevisionDummyInputsBuilder,
)
class EvsLlavaOnevision(LlavaSizes, PlainModel, LlavaOnevisionForConditionalGeneration):
    """LLaVA-OneVision."""

    def video_runs(self, input_tokens: list[int], feature: Any) -> Iterator[Run]:
        """Yield the one run of a video."""
        mask = mask_of(feature, self.merge_size).ravel()
        behind = mask.size + np.arange(self.suffix_tokens)
        cells = np.concatenate([mask.nonzero()[0], behind])
        yield plain_run(feature.mm_position.offset, cells, mask.size + len(behind))
