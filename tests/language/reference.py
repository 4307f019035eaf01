"""What transformers itself makes of a video prompt, and records made from its vision tower.

The reference processor is the installed class with its real tokenizer and chat template; only the
pixel work, which needs torchvision, is replaced by pixels at hand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import BatchFeature, PreTrainedModel
from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor
from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor
from transformers.video_utils import VideoMetadata

from evscli.encoders import vision_digests
from evscli.records import ModelInfo, PrunedVideo, SourceInfo, VideoInfo

PROCESSORS = {
    "qwen2_5_vl": Qwen2_5_VLProcessor,
    "qwen3_vl": Qwen3VLProcessor,
    "qwen3_vl_moe": Qwen3VLProcessor,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Clip:
    """Pixels of one video as its processor would give them, and its frames' numbers."""

    pixels: Tensor
    grid: tuple[int, int, int]
    """(T, h, w) of the merged grid."""
    indices: list[int]
    fps: float = 24.0
    frames: int = 1000
    """Frames of the whole file."""

    @property
    def patches(self) -> Tensor:
        """[1, 3]: the grid before merging."""
        t, h, w = self.grid
        return torch.tensor([[t, 2 * h, 2 * w]])

    def metadata(self) -> VideoMetadata:
        return VideoMetadata(
            total_num_frames=self.frames, fps=self.fps, frames_indices=list(self.indices)
        )


def make_clip(
    model: PreTrainedModel,
    grid: tuple[int, int, int] = (3, 2, 3),
    *,
    seed: int = 0,
    step: int = 11,
    odd: bool = False,
) -> Clip:
    """A random clip; `odd` leaves the last temporal patch with one frame."""
    t, h, w = grid
    size = model.config.vision_config.patch_size
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randn(4 * t * h * w, 3 * 2 * size * size, generator=generator)
    return Clip(pixels=pixels, grid=grid, indices=[step * i for i in range(2 * t - odd)])


def make_record(model: PreTrainedModel, clip: Clip, **info: str) -> PrunedVideo:
    """An unpruned record of `clip` from the model's own vision tower, with its digests."""
    return make_records(model, [clip], **info)[0]


def make_records(model: PreTrainedModel, clips: list[Clip], **info: str) -> list[PrunedVideo]:
    """Unpruned records of clips from one call of the tower, as the model's own forward makes it.

    Matrix products of other shapes may be rounded otherwise, on some processors.
    """
    digests = vision_digests(model.model.visual)
    pixels = torch.cat([clip.pixels for clip in clips])
    with torch.no_grad():
        output = model.model.get_video_features(pixels, torch.cat([clip.patches for clip in clips]))
    planes = getattr(output, "deepstack_features", None)
    sizes = [int(np.prod(clip.grid)) for clip in clips]
    deepstack = [None] * len(clips)
    if planes:
        deepstack = list(torch.stack([torch.cat([*plane]) for plane in planes]).split(sizes, dim=1))
    said = {"sha": digests.stored, "bf16": digests.bf16, **info}
    return [
        replace(make_blank(model, clip, **said), embeds=embeds, deepstack=planes)
        for clip, embeds, planes in zip(clips, output.pooler_output, deepstack, strict=True)
    ]


def make_blank(model: PreTrainedModel, clip: Clip, **info: str) -> PrunedVideo:
    """An unpruned record of `clip` whose tokens are zeros."""
    mask = torch.ones(clip.grid, dtype=torch.bool)
    times = np.array(clip.indices) / clip.fps
    padded = np.append(times, times[-1:].repeat(len(times) % 2)).reshape(-1, 2)
    return PrunedVideo(
        info=make_info(model, clip, **info),
        embeds=torch.zeros(mask.numel(), model.config.get_text_config().hidden_size),
        position_ids=mask.nonzero().int(),
        keep_mask=mask,
        source_index=torch.tensor(clip.indices),
        frame_times=torch.from_numpy(times + 0.25),
        prompt_times=torch.from_numpy((padded[:, 0] + padded[:, 1]) / 2),
    )


def make_info(
    model: PreTrainedModel, clip: Clip, *, name: str = "clip", sha: str = "ab", bf16: str = "cd"
) -> VideoInfo:
    vision = model.config.vision_config
    return VideoInfo(
        id=name,
        source=SourceInfo(path=f"{name}.mp4", size=1, sha256="0"),
        source_fps=clip.fps,
        source_frames=clip.frames,
        duration=clip.frames / clip.fps,
        source_size=(64, 64),
        rotation=0,
        resized_size=(64, 64),
        grid_thw=clip.grid,
        model=ModelInfo(
            name="tiny",
            model_type=model.config.model_type,
            vision_sha256=sha,
            vision_bf16_sha256=bf16,
            processor_sha256="0",
            dtype="float32",
            embed_dim=model.config.get_text_config().hidden_size,
            deepstack_planes=len(getattr(vision, "deepstack_visual_indexes", [])),
            patch_size=vision.patch_size,
            temporal_patch_size=2,
            merge_size=2,
            tokens_per_second=getattr(vision, "tokens_per_second", None),
        ),
        method="none",
        options={},
        budget=1.0,
        expected=int(np.prod(clip.grid)),
        kept=int(np.prod(clip.grid)),
    )


def pruned(record: PrunedVideo, mask: Tensor) -> PrunedVideo:
    """`record` with only the cells of `mask` [T, h, w] kept."""
    flat = mask.flatten()
    return replace(
        record,
        info=replace(record.info, kept=int(mask.sum())),
        embeds=record.embeds[flat],
        deepstack=None if record.deepstack is None else record.deepstack[:, flat],
        position_ids=mask.nonzero().int(),
        keep_mask=mask,
    )


def random_mask(grid: tuple[int, int, int], *, seed: int = 0, emptied: int | None = None) -> Tensor:
    """A random half of the cells; temporal patch `emptied` keeps none."""
    mask = torch.rand(grid, generator=torch.Generator().manual_seed(seed)) < 0.5
    mask[0, 0, 0] = True
    if emptied is not None:
        mask[emptied] = False
    return mask


def half(record: PrunedVideo, *, emptied: int | None = None) -> PrunedVideo:
    """`record` with a random half of its cells."""
    return pruned(record, random_mask(record.info.grid_thw, emptied=emptied))


class ClipProcessor:
    """Stands for the video processor: gives back the clips' own pixels, grids and metadata."""

    merge_size = 2
    temporal_patch_size = 2

    def __init__(self, clips: list[Clip]) -> None:
        self.clips = clips

    def __call__(self, _videos: Any, **_: Any) -> BatchFeature:
        return BatchFeature(
            {
                "pixel_values_videos": torch.cat([clip.pixels for clip in self.clips]),
                "video_grid_thw": torch.cat([clip.patches for clip in self.clips]),
                "video_metadata": [clip.metadata() for clip in self.clips],
            }
        )


def make_processor(family: str, tokenizer: Any, clips: list[Clip]) -> Any:
    """The installed processor class, without the parts that need torchvision."""
    processor = object.__new__(PROCESSORS[family])
    processor.tokenizer, processor.chat_template = tokenizer, tokenizer.chat_template
    processor.image_processor = SimpleNamespace(merge_size=2)
    processor.video_processor = ClipProcessor(clips)
    for name in ("image_pad", "video_pad", "vision_start", "vision_end"):
        attribute = name.removesuffix("_pad") + "_token"
        setattr(processor, attribute, f"<|{name}|>")
        setattr(processor, f"{attribute}_id", tokenizer.convert_tokens_to_ids(f"<|{name}|>"))
    return processor


def reference_inputs(family: str, tokenizer: Any, clips: list[Clip], messages: Any) -> Any:
    """Everything the whole processor would give the model for these messages."""
    frame = np.zeros((2, 4, 4, 3), dtype=np.uint8)
    filled = [
        {
            **m,
            "content": [{**p, "video": frame} if p["type"] == "video" else p for p in m["content"]],
        }
        for m in messages
    ]
    return make_processor(family, tokenizer, clips).apply_chat_template(
        filled, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
