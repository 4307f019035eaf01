"""The speed at which this machine decodes, encodes, prunes and writes, measured on a few videos.

Each video is done by itself, by the parts that a run is made of, so that none waits for another.
Stores are written to a temporary folder.
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from evscli.corpus.decoding.process import DecoderProcess
from evscli.corpus.estimate.forecast import Sums, decoding_of
from evscli.corpus.executors.pruning import BUFFER_BYTES, planner_of, request_of
from evscli.corpus.tasks import Task
from evscli.encoders import VideoEncoder
from evscli.errors import VideoError
from evscli.pipeline import PlannedVideo, VideoPruner, demand_of, resized_here
from evscli.records import FrameChunk, FramePlan, PrunedVideo, SourceInfo, VideoInput
from evscli.scratch import scratch_folder
from evscli.store import StoreWriter
from evscli.video import VideoIndex

MOST_TIMED = 6
SECONDS = 20.0
"""The seconds for all tries, roughly; a long video is tried in part."""

Records = dict[int, list[PrunedVideo]]
"""The records that each store would get, by the store's number."""


@dataclass(frozen=True, kw_only=True)
class Effort(Sums):
    """The work done, and the seconds it took."""

    videos: float = 0.0
    decoding: float = 0.0
    """The decoding in the unit of `Forecast.decoding`."""
    decode_seconds: float = 0.0
    """The seconds of one decoder process, with all that comes before the first frame."""
    tokens: float = 0.0
    """The tokens encoded, before pruning."""
    encode_seconds: float = 0.0
    """The seconds of one worker, with all selections."""
    stored: float = 0.0
    """The bytes of tensors written."""
    write_seconds: float = 0.0
    """The seconds of one writer."""


def calibrate(tasks: Sequence[Task], pruner: VideoPruner, decoder: DecoderProcess) -> Effort:
    """Try the first of `tasks` that can be decoded, and end `decoder`; return the sums.

    Raises StoreError where the disk for temporary files is full.
    """
    began, total = time.monotonic(), Effort()
    records: Records = defaultdict(list)
    try:
        for task in tasks:
            if total.videos == MOST_TIMED or time.monotonic() - began > SECONDS:
                break
            with suppress(VideoError):  # the run reports what is wrong with a video
                total += _try(task, pruner, decoder, total, records)
    finally:
        decoder.kill()
    return total + _write(records, pruner)


def _try(
    task: Task, pruner: VideoPruner, decoder: DecoderProcess, before: Effort, records: Records
) -> Effort:
    share = SECONDS / MOST_TIMED / 2
    clip = decode_clip(task.video, pruner.encoder, decoder, seconds=share)
    if not before.videos:  # the first time also loads and compiles
        before = _encode(task, clip.first(1), pruner, {})
    chunk = clip.first(1).tokens * before.encode_seconds / before.tokens
    effort = _encode(task, clip.first(max(1, int(share / chunk))), pruner, records)
    return effort + Effort(
        videos=1,
        decoding=decoding_of(clip.planned.index, clip.planned.plan),
        decode_seconds=clip.seconds,
    )


def _encode(task: Task, clip: Clip, pruner: VideoPruner, records: Records) -> Effort:
    frames = resized_here(pruner.encoder, clip.planned, lambda: (chunk for chunk in clip.chunks))
    began = time.perf_counter()
    for number, result in pruner.prune_planned(clip.planned, [*task.tries], frames=frames):
        if isinstance(result, VideoError):
            raise result
        records.setdefault(number, []).append(result)
    return Effort(tokens=clip.tokens, encode_seconds=time.perf_counter() - began)


def _write(records: Mapping[int, Sequence[PrunedVideo]], pruner: VideoPruner) -> Effort:
    configs = pruner.configs
    with tempfile.TemporaryDirectory(prefix=".evs-plan-", dir=scratch_folder()) as folder:
        began = time.perf_counter()
        for number, some in records.items():
            with StoreWriter(Path(folder) / str(number), configs[number]) as writer:
                for record in some:
                    writer.add(record)
        seconds = time.perf_counter() - began
    stored = sum(
        tensor.nbytes
        for some in records.values()
        for record in some
        for tensor in record.tensors().values()
    )
    return Effort(stored=stored, write_seconds=seconds)


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
        return replace(self, planned=beginning(self.planned, chunks), chunks=chunks)


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
    return Clip(planned=beginning(planned[0], chunks), chunks=chunks, seconds=taken)


def beginning(planned: PlannedVideo, chunks: Sequence[FrameChunk]) -> PlannedVideo:
    """Return the plan of a video as if only its first frames, those of `chunks`, were chosen."""
    frames = sum(len(chunk.pixels) for chunk in chunks)
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
