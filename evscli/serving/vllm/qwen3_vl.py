"""Qwen3-VL and its mixture of experts: a run of tokens for every temporal patch."""

from __future__ import annotations

from typing import Any

from vllm.model_executor.models.qwen2_vl import _create_qwen2vl_field_factory
from vllm.model_executor.models.qwen3_vl import (
    Qwen3VLDummyInputsBuilder,
    Qwen3VLForConditionalGeneration,
    Qwen3VLMultiModalDataParser,
    Qwen3VLMultiModalProcessor,
    Qwen3VLProcessingInfo,
)
from vllm.model_executor.models.qwen3_vl_moe import (
    Qwen3VLMoeForConditionalGeneration,
    Qwen3VLMoeProcessingInfo,
)
from vllm.multimodal import MULTIMODAL_REGISTRY

from evscli.serving.vllm.model import FramewiseRuns, PlanesWithoutTower, PrunedVideoModel
from evscli.serving.vllm.parsing import PrunedVideoParsing
from evscli.serving.vllm.processing import PrunedVideoInfo, PrunedVideoProcessor


class TimedParser(PrunedVideoParsing, Qwen3VLMultiModalDataParser):
    """The parser of requests, whose videos have times."""

    own_fields = staticmethod(_create_qwen2vl_field_factory)
    embedding_fields = {
        **Qwen3VLMultiModalDataParser.embedding_fields,
        "video": {
            **Qwen3VLMultiModalDataParser.embedding_fields["video"],
            "keep_mask": "metadata",
        },
    }


class EvsQwen3VLInfo(PrunedVideoInfo, Qwen3VLProcessingInfo):
    """Processing information of dense models."""

    parser = TimedParser


class EvsQwen3VLMoeInfo(PrunedVideoInfo, Qwen3VLMoeProcessingInfo):
    """Processing information of mixtures of experts."""

    parser = TimedParser


class EvsQwen3VLProcessor(PrunedVideoProcessor, Qwen3VLMultiModalProcessor):
    """The processor of both."""

    def replacement(self, item: Any) -> Any:
        """Return what stands for a video: the time and the tokens of every temporal patch."""
        config = self.info.get_hf_config()
        patches = int(item["video_grid_thw"].data[0])
        return self.get_video_repl(
            tokens_per_frame=item["keep_mask"].data.view(patches, -1).sum(1).tolist(),
            timestamps=item["timestamps"].data,
            tokenizer=self.info.get_tokenizer(),
            vision_start_token_id=config.vision_start_token_id,
            vision_end_token_id=config.vision_end_token_id,
            video_token_id=config.video_token_id,
            select_token_id=True,
        )


class FramewiseModel(PlanesWithoutTower, FramewiseRuns, PrunedVideoModel):
    """The part that both models have in common."""


@MULTIMODAL_REGISTRY.register_processor(
    EvsQwen3VLProcessor, info=EvsQwen3VLInfo, dummy_inputs=Qwen3VLDummyInputsBuilder
)
class EvsQwen3VL(FramewiseModel, Qwen3VLForConditionalGeneration):
    """Qwen3-VL, dense."""


@MULTIMODAL_REGISTRY.register_processor(
    EvsQwen3VLProcessor, info=EvsQwen3VLMoeInfo, dummy_inputs=Qwen3VLDummyInputsBuilder
)
class EvsQwen3VLMoe(FramewiseModel, Qwen3VLMoeForConditionalGeneration):
    """Qwen3-VL, mixture of experts."""
