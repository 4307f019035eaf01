"""The survey of a sample of videos by decoder processes: their timelines and no pixels.

The sample follows from ids alone, so it is the same on every machine, and more videos change it
little.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from heapq import nsmallest
from queue import SimpleQueue

from evscli.corpus.decoding.ahead import Planner
from evscli.corpus.decoding.process import DecoderProcess
from evscli.corpus.estimate.forecast import Forecast, StoreForecast, forecast_of, store_forecast
from evscli.corpus.executors.pruning import planner_of, request_of
from evscli.corpus.inputs import refuse_name
from evscli.corpus.inputs.remote import is_url
from evscli.corpus.tasks import Task, failure_of, file_size
from evscli.errors import VideoError
from evscli.pipeline import PlannedVideo, VideoPruner
from evscli.records import Failure, SourceInfo, VideoInput
from evscli.video import VideoIndex

MOST_LOCAL = 200
"""The number of videos that are surveyed unless another number is given."""

MOST_FETCHED = 20
"""The number of videos that are surveyed where one must be fetched first."""

SplitTask = Callable[[Task, VideoIndex], Sequence[Task]]
"""A function that splits a task whose timeline is known, into itself or its segments left to do."""
PlannedTask = tuple[Task, PlannedVideo]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The sampled tasks of a run, or all."""

    tasks: Sequence[Task]
    """The tasks, in the order of the run if all, else in that of their hashes."""
    of: int
    """The number of tasks of the run."""
    bytes: int
    """The bytes of the sources in the sample."""
    bytes_of: int
    """The bytes of the sources of the run."""

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        return len(self.tasks) == self.of

    @property
    def factor(self) -> float:
        """The factor from the sample to the run, by the bytes of their sources."""
        return self.bytes_of / self.bytes if self.bytes else 1.0

    @property
    def fetched(self) -> Sequence[VideoInput]:
        """The videos that are downloaded for the survey."""
        return [task.video for task in self.tasks if is_remote(task.video)]


def take_sample(tasks: Sequence[Task], most: int) -> Sample:
    """Return a sample of at most `most` tasks, by the hashes of their ids."""
    chosen = tasks if most >= len(tasks) else in_hash_order(tasks, most)
    return Sample(tasks=chosen, of=len(tasks), bytes=_bytes(chosen), bytes_of=_bytes(tasks))


def in_hash_order(tasks: Sequence[Task], most: int) -> list[Task]:
    """Return the first `most` tasks in an order that is unrelated to their content."""
    return nsmallest(most, tasks, key=lambda task: _digest(task.video.id))


def usual_size(tasks: Sequence[Task]) -> int:
    """Return the number of videos to survey unless a number is given."""
    return MOST_FETCHED if any(is_remote(task.video) for task in tasks) else MOST_LOCAL


def is_remote(video: VideoInput) -> bool:
    """Return whether a video must be downloaded, not only copied out of a tar."""
    return video.held is not None and is_url(video.held.url)


def _bytes(tasks: Sequence[Task]) -> int:
    return sum(file_size(task.video) or 0 for task in tasks)


def _digest(video_id: str) -> bytes:
    return hashlib.sha256(video_id.encode("utf-8", "surrogateescape")).digest()


@dataclass(frozen=True, kw_only=True)
class SurveyedVideo:
    """The forecast of pruning one video."""

    forecast: Forecast
    stores: Mapping[int, StoreForecast]
    """The forecast for each store that wants the video, by the store's number."""
    tasks: Sequence[Task]
    """The task itself, or its segments that are left to do."""


SurveyResult = SurveyedVideo | Failure
"""The forecast of one task, or its failure."""


def survey(
    tasks: Sequence[Task],
    pruner: VideoPruner,
    decoders: Sequence[DecoderProcess],
    *,
    cut: SplitTask,
) -> Generator[SurveyResult]:
    """Read the timelines of `tasks`, in their order. However it ends, no process is left.

    `cut` splits each task once its timeline is known. Raises StoreError where the disk for copies
    of remote videos is full.
    """
    planner = planner_of(pruner.encoder)
    free: SimpleQueue[DecoderProcess] = SimpleQueue()
    for decoder in decoders:
        free.put(decoder)

    def look(task: Task) -> SurveyResult:
        decoder = free.get()
        try:
            return _seen(task, planned_parts(task, pruner, planner, decoder, cut), pruner)
        except VideoError as error:
            return failure_of(task.video, error)
        finally:
            free.put(decoder)

    threads = ThreadPoolExecutor(len(decoders))
    try:
        yield from threads.map(look, tasks)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        for decoder in decoders:
            decoder.interrupt()
        threads.shutdown()
        for decoder in decoders:
            decoder.kill()


def _seen(task: Task, parts: Sequence[PlannedTask], pruner: VideoPruner) -> SurveyedVideo:
    return SurveyedVideo(
        forecast=sum((forecast_of(planned) for _, planned in parts), Forecast()),
        stores={number: _in_store(parts, pruner, number) for number in task.tries},
        tasks=[part for part, _ in parts],
    )


def _in_store(parts: Sequence[PlannedTask], pruner: VideoPruner, number: int) -> StoreForecast:
    wanted = [planned for part, planned in parts if number in part.tries]
    forecasts = (store_forecast(planned, pruner, number) for planned in wanted)
    total = sum(forecasts, StoreForecast())
    return replace(total, source_bytes=total.source_bytes / max(1, len(wanted)))


def planned_parts(
    task: Task, pruner: VideoPruner, planner: Planner, decoder: DecoderProcess, cut: SplitTask
) -> list[PlannedTask]:
    """Return all videos that a run would make of one task: several where it is cut.

    Raises VideoError, as a run would.
    """
    task.video.raise_fault()
    refuse_name(task.video)
    request = request_of(task.video, pruner.encoder)
    parts: list[PlannedTask] = []

    def choose(source: SourceInfo, index: VideoIndex) -> None:
        for part in cut(task, index):
            parts.append((part, planner(replace(request, video=part.video), source, index)))

    for _ in decoder.decode(request, choose):
        raise AssertionError("no frame is wanted")
    return parts
