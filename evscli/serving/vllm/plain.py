"""The part that families with plain positions have in common: vLLM takes other ones of them too.

vLLM counts the positions of such a family by itself, and a pruned prompt has gaps between them. It
asks a model for positions if its configuration speaks of three axes. So the configurations of these
families are made to, and the models hand the first axis to a language model that knows no other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from vllm.model_executor.models.config import MODELS_CONFIG_MAP, VerifyAndUpdateConfig
from vllm.multimodal.parse import MultiModalDataParser

from evscli.serving.positions import Ids, Run
from evscli.serving.vllm.fields import Sizes
from evscli.serving.vllm.mixin import Mixin
from evscli.serving.vllm.model import PrunedVideoModel
from evscli.serving.vllm.parsing import PrunedVideoParsing
from evscli.serving.vllm.processing import UntriedInfo

AXES = [1, 1, 1]
"""The parts of rotary positions by axis. Only their number is read, the language model has none."""


class AskedForPositions(VerifyAndUpdateConfig):
    """The configuration of a model that vLLM asks for positions."""

    @staticmethod
    def verify_and_update_model_config(model_config: Any) -> None:
        """Say three axes in the configuration of the whole model, not of its language model."""
        model_config.hf_config.mrope_section = AXES


def ask_for_positions(architecture: str) -> None:
    """Have vLLM ask the models of an architecture for positions."""
    MODELS_CONFIG_MAP[architecture] = AskedForPositions


class PlainParser(PrunedVideoParsing, MultiModalDataParser):
    """The parser of requests."""

    own_fields = staticmethod(lambda _: dict)
    embedding_fields = {
        "video": {
            "video_embeds": "values",
            "video_grid_thw": "metadata",
            "keep_mask": "metadata",
        },
    }

    def __init__(self, merge: int, **options: Any) -> None:
        super().__init__(**options)
        del merge


class PlainSizes(Mixin):
    """The sizes of a family with plain positions."""

    suffix_tokens: ClassVar[int] = 0
    """The tokens behind those of a video, which no mask counts."""

    @staticmethod
    def merge_of(config: Any) -> int:
        """Return the patches along a side of a token, as shards of the family count them."""
        del config
        return 2


class PlainInfo(PlainSizes, UntriedInfo):
    """Processing information."""

    parser = PlainParser
    needs_metadata = False

    @property
    def sizes(self) -> Sizes:
        """The sizes that tensors of videos have."""
        config = self.get_hf_config()
        width = config.get_text_config().hidden_size
        return Sizes(merge=self.merge_of(config), width=width, suffix=self.suffix_tokens)


class PlainModel(PlainSizes, PrunedVideoModel):
    """The part of a model that plain positions need."""

    supports_mrope: ClassVar[bool] = True

    @property
    def merge_size(self) -> int:
        """The patches along a side of a token."""
        return self.merge_of(self.config)

    def forward(self, input_ids: Any, positions: Any, *args: Any, **kwargs: Any) -> Any:
        """Run the language model on the first of three equal axes [3, S]."""
        return super().forward(input_ids, positions[0], *args, **kwargs)

    def runs(self, input_tokens: list[int], feature: Any) -> Iterator[Run]:
        """Yield the runs of a video of a store. Others have a position for each of their tokens."""
        if "keep_mask" in feature.data:
            yield from self.video_runs(input_tokens, feature)


def plain_run(start: int, cells: Ids, size: int) -> Run:
    """Return the run at `start` of a part of `size` positions that keeps `cells [K]`, ascending."""
    return Run(start=start, offsets=np.broadcast_to(cells, (3, len(cells))), advance=size)
