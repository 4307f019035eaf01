"""The part that the processors of all families have in common: prompts and cache keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from vllm.exceptions import VLLMValidationError
from vllm.multimodal.inputs import MultiModalFieldConfig

from evscli.serving.served import PREFIX
from evscli.serving.vllm.fields import Sizes, pruned_config
from evscli.serving.vllm.mixin import Mixin
from evscli.serving.vllm.sealed import is_sealed

SHARE = 3
"""The positions of videos, in those that a model was made for: vLLM has angles of four times as
many, and the rest is for text."""


class PrunedVideoInfo(Mixin):
    """The part of a family's processing information that takes videos of stores."""

    needs_metadata: ClassVar[bool] = True
    """Whether the family's own processing of videos asks for their times."""

    @property
    def parser_options(self) -> dict[str, Any]:
        """Further arguments of the family's parser."""
        return {}

    def get_data_parser(self) -> Any:
        """Return the family's parser, which `parser` makes with the arguments of vLLM's."""
        parser = self.parser(
            self.sizes.merge,
            video_needs_metadata=self.needs_metadata,
            expected_hidden_size=self._get_expected_hidden_size(),
            allow_missing_mm_embeddings=self.allow_missing_mm_embeddings,
            **self.parser_options,
        )
        parser.takes_raw = self.ctx.get_mm_config().get_limit_per_prompt("video") > 0
        parser.model = self.ctx.model_config.model
        parser.sizes = self.sizes
        return parser

    @property
    def sizes(self) -> Sizes:
        """The sizes that tensors of videos have."""
        config = self.get_hf_config().vision_config
        planes = len(getattr(config, "deepstack_visual_indexes", ()))
        return Sizes(merge=config.spatial_merge_size, width=config.out_hidden_size * (1 + planes))

    def validate_num_items(self, modality: str, num_items: int) -> None:
        """Refuse more items than the server allows; embeddings are not counted without a tower.

        With a limit of 0 for every modality vLLM leaves out the vision tower, and takes embeddings.
        An address is one, whatever part of a request it came in.
        """
        config = self.ctx.get_mm_config()
        if modality == "video" and config.enable_mm_embeds:
            limit = config.get_limit_per_prompt(modality)
            if limit == 0:
                return
        super().validate_num_items(modality, num_items)


class UntriedInfo(PrunedVideoInfo):
    """Processing information for families whose longest items vLLM takes from their processors."""

    def get_mm_max_tokens_per_item(self, seq_len: int, mm_counts: Any) -> Any:
        """Return the most tokens of an item, which vLLM finds out where there is a tower."""
        if self.ctx.get_mm_config().get_limit_per_prompt("video") > 0:
            return super().get_mm_max_tokens_per_item(seq_len, mm_counts)
        return {name: seq_len for name, count in mm_counts.items() if count}


class SecondsInfo(PrunedVideoInfo):
    """Processing information for families whose temporal ids grow with the seconds of a video."""

    @property
    def rate(self) -> float:
        """The temporal ids in a second."""
        raise NotImplementedError

    def get_data_parser(self) -> Any:
        """Return the family's parser, which knows how far positions may go."""
        parser = super().get_data_parser()
        parser.rate = self.rate
        text = self.get_hf_config().get_text_config()
        parser.longest = SHARE * text.max_position_embeddings
        return parser


class PrunedVideoProcessor(Mixin):
    """The part of a family's processor that takes videos of stores."""

    def _get_mm_fields_config(self, hf_inputs: Any, hf_processor_mm_kwargs: Any) -> Any:
        config = super()._get_mm_fields_config(hf_inputs, hf_processor_mm_kwargs)
        return with_pruned(config, hf_inputs, self.info.sizes)

    def _get_mm_hashes(self, inputs: Any) -> Any:
        """Return cache keys: of a store's video its own, which no other item may have."""
        hashes = dict(super()._get_mm_hashes(inputs))
        keys = getattr(inputs.mm_data_items.get("video"), "keys", ())
        for modality, found in hashes.items():
            if modality == "video" and keys:
                hashes[modality] = list(keys)
            elif taken := [one for one in found if one.startswith(PREFIX)]:
                raise VLLMValidationError(
                    f"uuid {taken[0]!r} begins as those of videos of stores: give another"
                )
        return hashes

    def _get_prompt_updates(
        self, mm_items: Any, hf_processor_mm_kwargs: Any, out_mm_kwargs: Any
    ) -> Any:
        updates = super()._get_prompt_updates(mm_items, hf_processor_mm_kwargs, out_mm_kwargs)
        return [
            self._pruned(update, out_mm_kwargs) if update.modality == "video" else update
            for update in updates
        ]

    def _pruned(self, update: Any, out_mm_kwargs: Any) -> Any:
        """Return the replacement of a video's placeholder, by as many as it has tokens."""

        def replacement(index: int) -> Any:
            item = out_mm_kwargs["video"][index]
            return self.replacement(item) if "keep_mask" in item else update.replacement(index)

        return replace(update, replacement=replacement)


def with_pruned(
    config: Mapping[str, Any], values: Mapping[str, Any], sizes: Sizes
) -> dict[str, Any]:
    """Return the fields of vLLM's family, with those of pruned videos where there are some."""
    if "keep_mask" in values:
        return {**config, **pruned_config(values, sizes)}
    if is_sealed(values.get("video_embeds")):
        return {**config, "video_embeds": MultiModalFieldConfig.batched("video")}
    return dict(config)
