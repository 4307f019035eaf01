"""Small records whose every value follows from their id, for tests of the store and of inspect."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch

from evscli.records import Failure, ModelInfo, PrunedVideo, RunConfig, SourceInfo, VideoInfo

SETTINGS: dict[str, Any] = {
    "encoder": {"model": {"vision_sha256": "a" * 64}, "chunk_frames": 16, "dtype": "float32"},
    "selection": {"method": "vcast", "budget": 0.5, "options": {"temperature": 0.7}},
}
CONFIG = RunConfig(settings=SETTINGS, provenance={"device": "cpu", "threads": 1})


def model(*, dtype: str = "float32", embed_dim: int = 4, planes: int = 0) -> ModelInfo:
    """A model's description."""
    return ModelInfo(
        name="mini",
        model_type="qwen3_vl",
        vision_sha256="a" * 64,
        vision_bf16_sha256="b" * 64,
        processor_sha256="c" * 64,
        dtype=dtype,
        embed_dim=embed_dim,
        deepstack_planes=planes,
        patch_size=8,
        temporal_patch_size=2,
        merge_size=2,
    )


def record(
    video_id: str = "clip",
    *,
    grid: tuple[int, int, int] = (3, 2, 4),
    dtype: torch.dtype = torch.float32,
    embed_dim: int = 4,
    planes: int = 0,
    scores: bool = False,
    notes: tuple[str, ...] = (),
) -> PrunedVideo:
    """A consistent record that keeps about half of its cells."""
    seed = int.from_bytes(hashlib.sha256(video_id.encode()).digest()[:4], "big")
    numbers = np.random.RandomState(seed)  # the one generator that promises never to change
    mask = torch.from_numpy(numbers.random_sample(grid) < 0.5)
    mask[0, 0, 0] = True
    kept, frames = int(mask.sum()), 2 * grid[0]

    def values(*shape: int) -> torch.Tensor:
        return torch.from_numpy(numbers.randint(-64, 64, shape)).to(dtype) / 8

    times = torch.arange(frames, dtype=torch.float64) / 2
    info = VideoInfo(
        id=video_id,
        source=SourceInfo(path=f"{video_id}.mp4", size=1000 + seed % 1000, sha256="d" * 64),
        source_fps=24.0,
        source_frames=24 * frames,
        duration=frames / 2,
        source_size=(32, 64),
        rotation=0,
        resized_size=(grid[1] * 16, grid[2] * 16),
        grid_thw=grid,
        model=model(dtype=str(dtype).removeprefix("torch."), embed_dim=embed_dim, planes=planes),
        method="vcast",
        options={"temperature": 0.7},
        budget=0.5,
        expected=kept,
        kept=kept,
        notes=notes,
    )
    return PrunedVideo(
        info=info,
        embeds=values(kept, embed_dim),
        position_ids=mask.nonzero().to(torch.int32),
        keep_mask=mask,
        source_index=torch.arange(frames) * 12,
        frame_times=times,
        prompt_times=times.view(-1, 2).mean(1),
        deepstack=values(planes, kept, embed_dim) if planes else None,
        scores=torch.from_numpy(numbers.random_sample(grid)).half() if scores else None,
    )


def failure(video_id: str = "broken", **changes: Any) -> Failure:
    """A failed video."""
    values = {
        "id": video_id,
        "path": f"{video_id}.mp4",
        "stage": "open",
        "kind": "InvalidDataError",
        "message": f"{video_id}.mp4 is not a video: name another file",
    }
    return Failure(**(values | changes))
