"""InternVL 3 and 3.5: a run of tokens for every frame, behind its number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vllm.model_executor.models.interns1 import (
    InternS1DummyInputsBuilder,
    InternS1ForConditionalGeneration,
    InternS1MultiModalProcessor,
    InternS1ProcessingInfo,
)
from vllm.multimodal import MULTIMODAL_REGISTRY
from vllm.multimodal.processing import PromptUpdateDetails

from evscli.serving.positions import Run
from evscli.serving.vllm.model import mask_of
from evscli.serving.vllm.plain import PlainInfo, PlainModel, PlainSizes, plain_run
from evscli.serving.vllm.processing import PrunedVideoProcessor


class InternSizes(PlainSizes):
    """The sizes of InternVL."""

    @staticmethod
    def merge_of(config: Any) -> int:
        """Return the patches along a side of a token."""
        return round(1 / float(config.downsample_ratio))


class EvsInternVLInfo(InternSizes, PlainInfo, InternS1ProcessingInfo):
    """Processing information."""


class EvsInternVLProcessor(PrunedVideoProcessor, InternS1MultiModalProcessor):
    """The processor."""

    def replacement(self, item: Any) -> Any:
        """Return what stands for a video: the number and the tokens of every frame."""
        marks, pad = self.info.get_hf_processor(), self.info.get_hf_config().image_token_id
        tokenizer = self.info.get_tokenizer()
        counts = item["keep_mask"].data.view(int(item["video_grid_thw"].data[0]), -1).sum(1)
        ids: list[int] = []
        for number, count in enumerate(counts.tolist(), 1):
            between = f"{marks.end_image_token}\n" if ids else ""
            before = f"{between}Frame{number}: {marks.start_image_token}"
            ids += tokenizer.encode(before, add_special_tokens=False) + [pad] * count
        ids += tokenizer.encode(marks.end_image_token, add_special_tokens=False)
        return PromptUpdateDetails.select_token_id(ids, embed_token_id=pad)


@MULTIMODAL_REGISTRY.register_processor(
    EvsInternVLProcessor, info=EvsInternVLInfo, dummy_inputs=InternS1DummyInputsBuilder
)
class EvsInternVL(InternSizes, PlainModel, InternS1ForConditionalGeneration):
    """InternVL."""

    def video_runs(self, input_tokens: list[int], feature: Any) -> Iterator[Run]:
        """Yield the run of every frame, emptied ones included."""
        place, pad = feature.mm_position.offset, self.config.image_token_id
        start = input_tokens[input_tokens.index(pad, place) - 1]  # no configuration names it
        for frame in mask_of(feature, self.merge_size):
            place = input_tokens.index(start, place) + 1
            cells = frame.ravel().nonzero()[0]
            yield plain_run(place, cells, frame.size)
            place += len(cells)
