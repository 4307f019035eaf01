"""What pruning comes to, in numbers that are added over videos and scaled to more of them.

Nothing is computed from pixels: frames and grids are planned as a run plans them, and how many
tokens a method keeps is its own rule.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import torch

from evscli.pipeline import PlannedVideo, VideoPruner, demand_of
from evscli.pipeline.record import video_info
from evscli.records import FramePlan, KeptTokens, VideoInfo
from evscli.store.footprint import stored_bytes
from evscli.video import VideoIndex


@dataclass(frozen=True, kw_only=True)
class Sums:
    """Numbers that mean the same for one video and for many."""

    def __add__(self, other: Self) -> Self:
        pairs = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        return type(self)(**pairs)

    def scaled(self, factor: float) -> Self:
        """All of it times a number."""
        return type(self)(**{f.name: factor * getattr(self, f.name) for f in fields(self)})


@dataclass(frozen=True, kw_only=True)
class Forecast(Sums):
    """What is decoded and encoded."""

    seconds: float = 0.0
    """Of video."""
    frames: float = 0.0
    """Sampled."""
    tokens: float = 0.0
    """Before pruning."""
    decoding: float = 0.0
    """Pixels of the frames that a decoder passes, those of chosen ones twice: to convert and resize
    a frame takes about as long as to decode it."""


@dataclass(frozen=True, kw_only=True)
class StoreForecast(Sums):
    """What one store gets."""

    source_bytes: float = 0.0
    tokens: float = 0.0
    """Before pruning."""
    kept: float = 0.0
    """By the method's rule; the most where that depends on what is seen."""
    stored: float = 0.0
    """Bytes on disk."""


def forecast_of(planned: PlannedVideo) -> Forecast:
    """What decoding and encoding one video comes to."""
    plan = planned.plan
    return Forecast(
        seconds=plan.duration,
        frames=len(plan.source_index),
        tokens=demand_of(planned).tokens,
        decoding=decoding_of(planned.index, plan),
    )


def decoding_of(index: VideoIndex, plan: FramePlan) -> float:
    """See `Forecast.decoding`."""
    height, width = index.coded_size
    return float(height * width * (frames_passed(index, plan) + len(plan.source_index)))


def frames_passed(index: VideoIndex, plan: FramePlan) -> int:
    """Frames from the key frame before each wanted one up to it, none of them counted twice."""
    wanted = np.unique(plan.source_index)
    starts = np.append(0, np.searchsorted(index.pts, index.keyframe_pts))
    key_frame = starts[np.searchsorted(starts, wanted, side="right") - 1]
    before = np.append(-1, wanted[:-1])
    return int((wanted - np.maximum(key_frame - 1, before)).sum())


def store_forecast(planned: PlannedVideo, pruner: VideoPruner, number: int) -> StoreForecast:
    """What one video comes to in the store of the selection `number`."""
    info = info_ahead(planned, pruner, number)
    frames = len(planned.plan.source_index)
    return StoreForecast(
        source_bytes=info.source.size,
        tokens=info.tokens,
        kept=info.kept,
        stored=stored_bytes(info, frames=frames, scores=pruner.store_scores),
    )


def info_ahead(planned: PlannedVideo, pruner: VideoPruner, number: int) -> VideoInfo:
    """What the store of the selection `number` would say of a video, its notes left out."""
    request = pruner.requests[number].for_video(demand_of(planned), seed=pruner.seed)
    kept = request.expected_count(planned.plan.grid_thw)
    query = planned.video.query if "query" in request.needs else None
    none = KeptTokens(mask=torch.zeros(0, dtype=torch.bool), expected=kept)
    info = video_info(planned, request, none, query=query)
    return replace(info, kept=kept, store_dtype=pruner.store_dtype)
