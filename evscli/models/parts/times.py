"""The times of temporal patches where position ids grow with them."""

from __future__ import annotations

from evscli.errors import ModelError
from evscli.records import VideoInfo


def second_per_grid(info: VideoInfo, frames: int) -> float:
    """Return the seconds between the temporal patches of a video with `frames` sampled frames.

    They are those of Qwen2.5-VL's processor, which takes the frames for evenly sampled
    (`second_per_grid_ts`).
    """
    sampled_fps = frames / info.source_frames * info.source_fps
    return info.model.temporal_patch_size / sampled_fps


def tokens_per_second(info: VideoInfo) -> float:
    """Return the temporal ids in a second. Raises ModelError where a shard does not say it."""
    if info.model.tokens_per_second is None:
        raise ModelError(
            f"the shard of {info.id!r} does not say its model's tokens_per_second: prune it again"
        )
    return info.model.tokens_per_second
