"""The part that the models of all families have in common: embeddings and positions of items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from vllm.model_executor.models.utils import StageMissingLayer

from evscli.serving.positions import Run, framewise, place_runs
from evscli.serving.vllm.fields import Sizes
from evscli.serving.vllm.mixin import Mixin


class PrunedVideoModel(Mixin):
    """The part of a family's model that takes videos of stores."""

    suffix_tokens: ClassVar[int] = 0
    """The tokens behind those of a video, which no mask counts."""

    others_as_vllm: ClassVar[bool] = False
    """Whether vLLM's own class positions prompts without a video of a store."""

    def embed_multimodal(self, **kwargs: Any) -> Any:
        """Return embeddings of every item of one kind; those of stores as they came."""
        mask, rows = kwargs.get("keep_mask"), kwargs.get("video_embeds")
        if mask is None or rows is None:
            kwargs.pop("keep_mask", None)
            return super().embed_multimodal(**kwargs)
        sizes = Sizes(merge=self.merge_size, width=rows.shape[-1], suffix=self.suffix_tokens)
        counts = sizes.rows(mask.flatten(), kwargs["video_grid_thw"])
        return rows.to(self.language_model.model.embed_tokens.weight.dtype).split(counts)

    @property
    def merge_size(self) -> int:
        """The patches along a side of a token."""
        size: int = self.config.vision_config.spatial_merge_size
        return size

    def get_mrope_input_positions(
        self, input_tokens: list[int], mm_features: Sequence[Any]
    ) -> tuple[Tensor, int]:
        """Return position ids [3, S] of a prompt, and what generated tokens add to their place."""
        if self.others_as_vllm and not any("keep_mask" in one.data for one in mm_features):
            found: tuple[Tensor, int] = super().get_mrope_input_positions(input_tokens, mm_features)
            return found
        ordered = sorted(mm_features, key=lambda feature: feature.mm_position.offset)
        runs = [run for feature in ordered for run in self.runs(input_tokens, feature)]
        ids, delta = place_runs(len(input_tokens), runs)
        return torch.from_numpy(ids), delta

    def runs(self, input_tokens: list[int], feature: Any) -> Iterator[Run]:
        """Yield the runs of visual tokens of an image or a video."""
        if feature.modality == "image":
            _, h, w = feature.data["image_grid_thw"].data.tolist()
            size = (1, h // self.merge_size, w // self.merge_size)
            yield Run(
                start=feature.mm_position.offset,
                offsets=np.indices(size).reshape(3, -1),
                advance=max(size),
            )
            return
        yield from self.video_runs(input_tokens, feature)


class PlanesWithoutTower(Mixin):
    """The part of a model with DeepStack: vLLM takes no planes where it has no vision tower."""

    use_deepstack: bool

    def __init__(self, *, vllm_config: Any, prefix: str = "model") -> None:
        super().__init__(vllm_config=vllm_config, prefix=prefix)
        planes = len(getattr(self.config.vision_config, "deepstack_visual_indexes", ()))
        if planes and isinstance(self.visual, StageMissingLayer) and not self.use_deepstack:
            self._take_planes(planes, vllm_config.scheduler_config.max_num_batched_tokens)

    def _take_planes(self, planes: int, rows: int) -> None:
        """Let DeepStack run as vLLM does with a vision tower: embeddings have planes without."""
        self.use_deepstack, self.deepstack_num_level = True, planes
        self.multiscale_dim = self.visual_dim * planes
        width = self.config.text_config.hidden_size
        self.deepstack_input_embeds = [torch.zeros(rows, width) for _ in range(planes)]
        self.deepstack_input_embeds_num_tokens = 0


class FramewiseRuns(Mixin):
    """The part of a model that finds the runs of a video in a prompt."""

    run_start: ClassVar[str] = "vision_start_token_id"
    """The name in the configuration of the token before each run."""

    def video_runs(self, input_tokens: list[int], feature: Any) -> Iterator[Run]:
        """Yield the run of every temporal patch, emptied ones included."""
        place, start = feature.mm_position.offset, getattr(self.config, self.run_start)
        for offsets, advance in framewise(mask_of(feature, self.merge_size)):
            place = input_tokens.index(start, place) + 1
            yield Run(start=place, offsets=offsets, advance=advance)
            place += offsets.shape[1]


def mask_of(feature: Any, merge: int) -> Any:
    """Return the mask [T, h, w] of a video, all True for one that nobody pruned."""
    t, h, w = feature.data["video_grid_thw"].data.tolist()
    size = (t, h // merge, w // merge)
    mask = feature.data.get("keep_mask")
    return np.ones(size, bool) if mask is None else mask.data.view(size).cpu().numpy()
