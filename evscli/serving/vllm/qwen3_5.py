"""Qwen3.5, dense and mixture of experts: the prompts of Qwen3-VL, and no DeepStack."""

from __future__ import annotations

from vllm.model_executor.models.qwen3_5 import (
    Qwen3_5ForConditionalGeneration,
    Qwen3_5MoeForConditionalGeneration,
    Qwen3_5MoeProcessingInfo,
    Qwen3_5ProcessingInfo,
)
from vllm.model_executor.models.qwen3_vl import Qwen3VLDummyInputsBuilder
from vllm.multimodal import MULTIMODAL_REGISTRY

from evscli.serving.vllm.processing import PrunedVideoInfo
from evscli.serving.vllm.qwen3_vl import EvsQwen3VLProcessor, FramewiseModel, TimedParser


class EvsQwen3_5Info(PrunedVideoInfo, Qwen3_5ProcessingInfo):
    """Processing information of dense models."""

    parser = TimedParser


class EvsQwen3_5MoeInfo(PrunedVideoInfo, Qwen3_5MoeProcessingInfo):
    """Processing information of mixtures of experts."""

    parser = TimedParser


@MULTIMODAL_REGISTRY.register_processor(
    EvsQwen3VLProcessor, info=EvsQwen3_5Info, dummy_inputs=Qwen3VLDummyInputsBuilder
)
class EvsQwen3_5(FramewiseModel, Qwen3_5ForConditionalGeneration):
    """Qwen3.5, dense."""


@MULTIMODAL_REGISTRY.register_processor(
    EvsQwen3VLProcessor, info=EvsQwen3_5MoeInfo, dummy_inputs=Qwen3VLDummyInputsBuilder
)
class EvsQwen3_5Moe(FramewiseModel, Qwen3_5MoeForConditionalGeneration):
    """Qwen3.5, mixture of experts."""
