"""Looks into videos in decoder processes, several at a time: their timelines and no pixels."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue

from evscli.corpus.decoding.ahead import Planner
from evscli.corpus.decoding.process import DecoderProcess
from evscli.corpus.estimate.forecast import (
    Forecast,
    StoreForecast,
    forecast_of,
    info_ahead,
    store_forecast,
)
from evscli.corpus.inputs import refuse_name
from evscli.corpus.jobs import Job
from evscli.corpus.outcome import failure_of
from evscli.corpus.worker import planner_of, request_of
from evscli.errors import VideoError
from evscli.pipeline import PlannedVideo, VideoPruner
from evscli.records import Failure, SourceInfo
from evscli.store.footprint import token_bytes
from evscli.video import VideoIndex


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What pruning one video would come to."""

    forecast: Forecast
    stores: Mapping[int, StoreForecast]
    """By the number of each store that wants it."""
    token_bytes: int
    """That a kept token takes in any of them."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What looking into one video gave."""

    job: Job
    outcome: Seen | Failure


def survey(
    jobs: Sequence[Job], pruner: VideoPruner, decoders: Sequence[DecoderProcess]
) -> Generator[Look]:
    """Look into the videos of `jobs`, in their order. However it ends, no process is left.

    Raises StoreError where the disk for copies of remote videos is full.
    """
    planner = planner_of(pruner.encoder)
    free: SimpleQueue[DecoderProcess] = SimpleQueue()
    for decoder in decoders:
        free.put(decoder)

    def look(job: Job) -> Look:
        decoder = free.get()
        try:
            return Look(job=job, outcome=_seen(job, pruner, planner, decoder))
        except VideoError as error:
            return Look(job=job, outcome=failure_of(job.video, error))
        finally:
            free.put(decoder)

    threads = ThreadPoolExecutor(len(decoders))
    try:
        yield from threads.map(look, jobs)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        for decoder in decoders:
            decoder.interrupt()
        threads.shutdown()
        for decoder in decoders:
            decoder.kill()


def _seen(job: Job, pruner: VideoPruner, planner: Planner, decoder: DecoderProcess) -> Seen:
    parts = planned_parts(job, pruner, planner, decoder)
    return Seen(
        forecast=sum(map(forecast_of, parts), Forecast()),
        stores={
            number: sum((store_forecast(part, pruner, number) for part in parts), StoreForecast())
            for number in job.tries
        },
        token_bytes=token_bytes(info_ahead(parts[0], pruner, next(iter(job.tries)))),
    )


def planned_parts(
    job: Job, pruner: VideoPruner, planner: Planner, decoder: DecoderProcess
) -> list[PlannedVideo]:
    """Everything that a run would make of one input: here a video that is cut is several.

    Raises VideoError, as a run would.
    """
    refuse_name(job.video)
    request = request_of(job.video, pruner.encoder)
    parts: list[PlannedVideo] = []

    def choose(source: SourceInfo, index: VideoIndex) -> None:
        parts.append(planner(request, source, index))

    for _ in decoder.decode(request, choose):
        raise AssertionError("no frame is wanted")
    return parts
