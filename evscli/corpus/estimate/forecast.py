"""The work of pruning in numbers that are added over videos and scaled to more of them.

Nothing is computed from pixels: frames and grids are planned as a run plans them, and the number of
tokens kept is the method's own rule.
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
        """Return all numbers times `factor`."""
        return type(self)(**{f.name: factor * getattr(self, f.name) for f in fields(self)})


@dataclass(frozen=True, kw_only=True)
class Forecast(Sums):
    """The amounts that are decoded and encoded."""

    seconds: float = 0.0
    """The seconds of video."""
    frames: float = 0.0
    """The number of sampled frames."""
    tokens: float = 0.0
    """The number of tokens before pruning."""
    decoding: float = 0.0
    """The pixels of the frames that a decoder passes, those of chosen ones twice: to convert and
    resize a frame takes about as long as to decode it."""


@dataclass(frozen=True, kw_only=True)
class StoreForecast(Sums):
    """The amounts that one store gets."""

    source_bytes: float = 0.0
    tokens: float = 0.0
    """The number of tokens before pruning."""
    kept: float = 0.0
    """The number of tokens kept by the method's rule; the most where it depends on the content."""
    stored: float = 0.0
    """The bytes on disk."""


def forecast_of(planned: PlannedVideo) -> Forecast:
    """Return the forecast of decoding and encoding one video."""
    plan = planned.plan
    return Forecast(
        seconds=plan.duration,
        frames=len(plan.source_index),
        tokens=demand_of(planned).tokens,
        decoding=decoding_of(planned.index, plan),
    )


def decoding_of(index: VideoIndex, plan: FramePlan) -> float:
    """Return the unit `Forecast.decoding` of one video."""
    height, width = index.coded_size
    return float(height * width * (frames_passed(index, plan) + len(plan.source_index)))


def frames_passed(index: VideoIndex, plan: FramePlan) -> int:
    """Return the number of frames from the key frame before each wanted one, each counted once."""
    wanted = np.unique(plan.source_index)
    starts = np.append(0, np.searchsorted(index.pts, index.keyframe_pts))
    key_frame = starts[np.searchsorted(starts, wanted, side="right") - 1]
    before = np.append(-1, wanted[:-1])
    return int((wanted - np.maximum(key_frame - 1, before)).sum())


def store_forecast(planned: PlannedVideo, pruner: VideoPruner, number: int) -> StoreForecast:
    """Return the forecast of one video in the store of the selection `number`."""
    info = info_ahead(planned, pruner, number)
    frames = len(planned.plan.source_index)
    return StoreForecast(
        source_bytes=info.source.size,
        tokens=info.tokens,
        kept=info.kept,
        stored=stored_bytes(info, frames=frames, scores=pruner.store_scores),
    )


def info_ahead(planned: PlannedVideo, pruner: VideoPruner, number: int) -> VideoInfo:
    """Return the description of a video in the store of the selection `number`, without notes."""
    request = pruner.requests[number].for_video(demand_of(planned), seed=pruner.seed)
    kept = request.expected_count(planned.plan.grid_thw)
    query = planned.video.query if "query" in request.needs else None
    none = KeptTokens(mask=torch.zeros(0, dtype=torch.bool), expected=kept)
    info = video_info(planned, request, none, query=query)
    return replace(info, kept=kept, store_dtype=pruner.store_dtype)
