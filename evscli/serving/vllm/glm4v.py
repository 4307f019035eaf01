"""GLM-4.1V and GLM-4.5V: a run of tokens for every temporal patch, and its time behind."""

from __future__ import annotations

from typing import Any

from vllm.model_executor.models.glm4_1v import (
    Glm4vDummyInputsBuilder,
    Glm4vForConditionalGeneration,
    Glm4vMoeForConditionalGeneration,
    Glm4vMultiModalProcessor,
    Glm4vProcessingInfo,
)
from vllm.multimodal import MULTIMODAL_REGISTRY
from vllm.multimodal.processing import PromptUpdateDetails

from evscli.serving.vllm.model import FramewiseRuns, PrunedVideoModel
from evscli.serving.vllm.processing import PrunedVideoProcessor, UntriedInfo
from evscli.serving.vllm.qwen3_vl import TimedParser


class EvsGlm4vInfo(UntriedInfo, Glm4vProcessingInfo):
    """Processing information of both."""

    parser = TimedParser


class EvsGlm4vProcessor(PrunedVideoProcessor, Glm4vMultiModalProcessor):
    """The processor of both."""

    def replacement(self, item: Any) -> Any:
        """Return what stands for a video: the tokens and the time of every temporal patch."""
        config, tokenizer = self.info.get_hf_config(), self.info.get_tokenizer()
        counts = item["keep_mask"].data.view(int(item["video_grid_thw"].data[0]), -1).sum(1)
        ids = [config.video_start_token_id]
        for count, time in zip(counts.tolist(), item["timestamps"].data, strict=True):
            pads = [config.image_token_id] * count
            ids += [config.image_start_token_id, *pads, config.image_end_token_id]
            ids += tokenizer.encode(str(int(time)), add_special_tokens=False)
        ids.append(config.video_end_token_id)
        return PromptUpdateDetails.select_token_id(ids, embed_token_id=config.image_token_id)


@MULTIMODAL_REGISTRY.register_processor(
    EvsGlm4vProcessor, info=EvsGlm4vInfo, dummy_inputs=Glm4vDummyInputsBuilder
)
class EvsGlm4v(FramewiseRuns, PrunedVideoModel, Glm4vForConditionalGeneration):
    """GLM-4.1V."""

    run_start = "image_start_token_id"


@MULTIMODAL_REGISTRY.register_processor(
    EvsGlm4vProcessor, info=EvsGlm4vInfo, dummy_inputs=Glm4vDummyInputsBuilder
)
class EvsGlm4vMoe(FramewiseRuns, PrunedVideoModel, Glm4vMoeForConditionalGeneration):
    """GLM-4.5V, mixture of experts."""

    run_start = "image_start_token_id"
