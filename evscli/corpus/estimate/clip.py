"""The decoded beginning of a video, and the seconds that decoding it took."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from evscli.corpus.decoding.process import DecoderProcess
from evscli.corpus.executors.pruning import BUFFER_BYTES, planner_of, request_of
from evscli.encoders import VideoEncoder
from evscli.pipeline import PlannedVideo, demand_of
from evscli.records import FrameChunk, FramePlan, SourceInfo, VideoInput
from evscli.video import VideoIndex


@dataclass(frozen=True, kw_only=True, eq=False)
class Clip:
    """Some first frames of a video."""

    planned: PlannedVideo
    """The plan of these frames only."""
    chunks: Sequence[FrameChunk]
    seconds: float
    """The seconds from the request to the last chunk."""

    @property
    def tokens(self) -> int:
        """The number of tokens before pruning."""
        return demand_of(self.planned).tokens

    def first(self, count: int) -> Clip:
        """Return the first chunks. The seconds stay those of all."""
        chunks = self.chunks[:count]
        return replace(self, planned=beginning(self.planned, _frames(chunks)), chunks=chunks)


def decode_clip(
    video: VideoInput, encoder: VideoEncoder, decoder: DecoderProcess, *, seconds: float
) -> Clip:
    """Decode a video for `seconds`, or until as many pixels wait as may in a run.

    Raises VideoError where the video is at fault.
    """
    plan_of, request = planner_of(encoder), request_of(video, encoder)
    planned: list[PlannedVideo] = []
    chunks: list[FrameChunk] = []

    def choose(source: SourceInfo, index: VideoIndex) -> FramePlan:
        planned.append(plan_of(request, source, index))
        return planned[0].plan

    decoder.make_ready()
    began = time.perf_counter()
    with closing(decoder.decode(request, choose)) as decoded:
        for chunk in decoded:
            chunks.append(chunk)
            taken = time.perf_counter() - began
            if taken > seconds or sum(each.pixels.nbytes for each in chunks) > BUFFER_BYTES:
                break
    return Clip(planned=beginning(planned[0], _frames(chunks)), chunks=chunks, seconds=taken)


def beginning(planned: PlannedVideo, frames: int) -> PlannedVideo:
    """Return the plan of a video as if only its first `frames` frames had been chosen."""
    plan, (_, h, w) = planned.plan, planned.plan.grid_thw
    patches = -(-frames // planned.model.temporal_patch_size)
    short = replace(
        plan,
        source_index=plan.source_index[:frames],
        frame_times=plan.frame_times[:frames],
        prompt_times=plan.prompt_times[:patches],
        grid_thw=(patches, h, w),
    )
    return replace(planned, plan=short)


def _frames(chunks: Sequence[FrameChunk]) -> int:
    return sum(len(chunk.pixels) for chunk in chunks)
