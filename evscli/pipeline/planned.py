"""The plan of a video, with which every encoder pass begins: its timeline and chosen frames."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from evscli.budget import Demand
from evscli.encoders import VideoEncoder
from evscli.provenance import source_info
from evscli.records import FramePlan, ModelInfo, Part, SourceInfo, VideoInput
from evscli.video import Damaged, SamplingRules, VideoIndex, index_video, plan_frames
from evscli.video.parts import frames_between
from evscli.video_errors import video_errors


@dataclass(frozen=True, kw_only=True, eq=False)
class PlannedVideo:
    """One video whose frames are chosen and not yet decoded."""

    video: VideoInput
    source: SourceInfo
    model: ModelInfo
    index: VideoIndex
    plan: FramePlan
    suffix: Tensor | None = None
    """[n, D] tokens behind those of all cells, of a model that has such."""

    def noted(self, notes: tuple[str, ...]) -> PlannedVideo:
        """Return the same with further notes on the video, unless it has them."""
        new = tuple(note for note in notes if note not in self.plan.notes)
        return replace(self, plan=replace(self.plan, notes=self.plan.notes + new)) if new else self


def plan_video(
    video: VideoInput, encoder: VideoEncoder, *, damaged: str = Damaged.trim
) -> PlannedVideo:
    """Index one video and choose its frames. Raises VideoError with the stage that failed."""
    with video_errors("open", video):
        video.raise_fault()
        source = source_info(video)
    with video_errors("index", video):
        index = index_video(video.path, damaged=damaged)
    return plan_indexed(video, source, index, encoder)


def plan_indexed(
    video: VideoInput, source: SourceInfo, index: VideoIndex, encoder: VideoEncoder
) -> PlannedVideo:
    """Choose the frames of a video whose timeline is known. Raises VideoError, stage "plan"."""
    with video_errors("plan", video):
        plan = _plan(video, index, encoder.rules)
    return PlannedVideo(
        video=video,
        source=source,
        model=encoder.info,
        index=index,
        plan=plan,
        suffix=encoder.suffix,
    )


def _plan(video: VideoInput, index: VideoIndex, rules: SamplingRules) -> FramePlan:
    if not video.is_part:
        return plan_frames(index, rules)
    frames = frames_between(index, video.start, video.end)
    part = Part(
        start=video.start or 0.0,
        end=video.end,
        first_frame=frames.start,
        source_seconds=index.duration,
        segments=video.segments,
    )
    return replace(plan_frames(index, rules, frames=frames), part=part)


def demand_of(planned: PlannedVideo) -> Demand:
    """Return the id, tokens and seconds of a video, on which its budget depends."""
    t, h, w = planned.plan.grid_thw
    return Demand(id=planned.video.id, tokens=t * h * w, seconds=planned.plan.duration)
