"""The thinkers of Qwen2.5-Omni and Qwen3-Omni: a run of tokens for a video, in seconds.

Videos of stores have no sound. vLLM's positions are whole numbers, so that a video of Qwen3-Omni
whose temporal ids are fractions is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor
from vllm.exceptions import VLLMValidationError
from vllm.model_executor.models.qwen2_5_omni_thinker import (
    Qwen2_5OmniThinkerDummyInputsBuilder,
    Qwen2_5OmniThinkerForConditionalGeneration,
    Qwen2_5OmniThinkerMultiModalDataParser,
    Qwen2_5OmniThinkerMultiModalProcessor,
    Qwen2_5OmniThinkerProcessingInfo,
    create_qwen2_5_omni_thinker_field_factory,
)
from vllm.model_executor.models.qwen2_vl import Qwen2VLMultiModalDataParser
from vllm.model_executor.models.qwen3_omni_moe_thinker import (
    Qwen3OmniMoeThinkerDummyInputsBuilder,
    Qwen3OmniMoeThinkerForConditionalGeneration,
    Qwen3OmniMoeThinkerMultiModalProcessor,
    Qwen3OmniMoeThinkerProcessingInfo,
)
from vllm.multimodal import MULTIMODAL_REGISTRY

from evscli.errors import UsageError
from evscli.models.qwen_omni.ids import temporal_ids
from evscli.serving.positions import Run, contiguous
from evscli.serving.vllm.model import PlanesWithoutTower, PrunedVideoModel, mask_of
from evscli.serving.vllm.parsing import PrunedVideoItems, SecondsParsing
from evscli.serving.vllm.processing import PrunedVideoProcessor, SecondsInfo, UntriedInfo


class OmniParser(SecondsParsing, Qwen2_5OmniThinkerMultiModalDataParser):
    """The parser of requests."""

    own_fields = staticmethod(create_qwen2_5_omni_thinker_field_factory)
    embedding_fields = {
        "video": {
            **Qwen2VLMultiModalDataParser.embedding_fields["video"],
            "keep_mask": "metadata",
            "timestamps": "metadata",
        },
    }
    hears: bool
    """Whether there is an audio tower."""

    def _parse_audio_data(self, data: Any) -> Any:
        """Parse sounds. Their spectra would pass vLLM's limit, and fail without an audio tower."""
        if not self.hears and (isinstance(data, Mapping) or self.is_embeddings(data)):
            raise VLLMValidationError("the server takes no sound: leave it out")
        return super()._parse_audio_data(data)

    def ids_of(self, fields: Mapping[str, Any]) -> list[Tensor]:
        """Return the temporal ids [T] of every video."""
        return [
            temporal_ids([float(time) for time in times], self.rate)
            for times in fields.get("timestamps", ())
        ]


class WholeIdsParser(OmniParser):
    """The parser of requests to Qwen3-Omni."""

    def check_ids(self, videos: Sequence[Tensor]) -> None:
        """Raise UsageError for temporal ids out of range, and for fractions."""
        super().check_ids(videos)
        for ids in videos:
            if not bool((ids == ids.floor()).all()):
                raise UsageError(
                    f"a video has temporal positions that are fractions ({float(ids[1]):g} to a "
                    "patch), and vLLM has whole ones: ask by evs ask, or prune it with --fps 2"
                )


class OmniInfo(SecondsInfo, UntriedInfo):
    """The part of both families' processing information."""

    parser = OmniParser
    needs_metadata = False

    @property
    def rate(self) -> float:
        """The temporal ids in a second."""
        return float(self.get_hf_config().position_id_per_seconds)

    @property
    def parser_options(self) -> dict[str, Any]:
        """The arguments of the parser that are for sound."""
        sampled = self.get_feature_extractor().sampling_rate
        return {"target_sr": sampled, "target_channels": self.get_target_channels()}

    def get_data_parser(self) -> Any:
        """Return the parser, which knows whether there is an audio tower."""
        parser = super().get_data_parser()
        parser.hears = self.ctx.get_mm_config().get_limit_per_prompt("audio") > 0
        return parser


class OmniProcessor(PrunedVideoProcessor):
    """The part of both families' processors."""

    def replacement(self, item: Any) -> list[int]:
        """Return what stands for a video: its tokens."""
        return [self.info.get_hf_config().video_token_id] * int(item["keep_mask"].data.sum())

    def _get_prompt_updates(
        self, mm_items: Any, hf_processor_mm_kwargs: Any, out_mm_kwargs: Any
    ) -> Any:
        sounding = hf_processor_mm_kwargs.get("use_audio_in_video")
        if sounding and isinstance(mm_items.get("video"), PrunedVideoItems):
            raise VLLMValidationError(
                "videos of stores have no sound in vLLM: leave use_audio_in_video out"
            )
        return super()._get_prompt_updates(mm_items, hf_processor_mm_kwargs, out_mm_kwargs)


class OmniModel(PrunedVideoModel):
    """The part of both models."""

    others_as_vllm = True

    def runs(self, input_tokens: list[int], feature: Any) -> Iterator[Run]:
        """Yield the runs of an image or a video. Sound has positions as text has."""
        if feature.modality != "audio":
            yield from super().runs(input_tokens, feature)

    def video_runs(self, input_tokens: list[int], feature: Any) -> Iterator[Run]:
        """Yield the one run of a video."""
        del input_tokens
        rate = self.config.position_id_per_seconds
        temporal = temporal_ids(feature.data["timestamps"].data, rate).long().numpy()
        mask = mask_of(feature, self.merge_size)
        offsets, advance = contiguous(mask, temporal, after_largest=True)
        yield Run(start=feature.mm_position.offset, offsets=offsets, advance=advance)


class EvsQwen2_5OmniInfo(OmniInfo, Qwen2_5OmniThinkerProcessingInfo):
    """Processing information of Qwen2.5-Omni."""


class EvsQwen3OmniInfo(OmniInfo, Qwen3OmniMoeThinkerProcessingInfo):
    """Processing information of Qwen3-Omni."""

    parser = WholeIdsParser


class EvsQwen2_5OmniProcessor(OmniProcessor, Qwen2_5OmniThinkerMultiModalProcessor):
    """The processor of Qwen2.5-Omni."""


class EvsQwen3OmniProcessor(OmniProcessor, Qwen3OmniMoeThinkerMultiModalProcessor):
    """The processor of Qwen3-Omni."""


@MULTIMODAL_REGISTRY.register_processor(
    EvsQwen2_5OmniProcessor,
    info=EvsQwen2_5OmniInfo,
    dummy_inputs=Qwen2_5OmniThinkerDummyInputsBuilder,
)
class EvsQwen2_5Omni(OmniModel, Qwen2_5OmniThinkerForConditionalGeneration):
    """The thinker of Qwen2.5-Omni."""


@MULTIMODAL_REGISTRY.register_processor(
    EvsQwen3OmniProcessor,
    info=EvsQwen3OmniInfo,
    dummy_inputs=Qwen3OmniMoeThinkerDummyInputsBuilder,
)
class EvsQwen3Omni(PlanesWithoutTower, OmniModel, Qwen3OmniMoeThinkerForConditionalGeneration):
    """The thinker of Qwen3-Omni."""
