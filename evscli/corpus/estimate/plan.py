"""The estimate of one run: the same videos, rules and stores, without its work."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import torch

from evscli.corpus.estimate.calibrate import Effort, calibrate
from evscli.corpus.estimate.duration import Duration, duration_of
from evscli.corpus.estimate.forecast import Forecast, StoreForecast
from evscli.corpus.estimate.survey import (
    Sample,
    SplitTask,
    SurveyedVideo,
    SurveyResult,
    in_hash_order,
    survey,
    take_sample,
    usual_size,
)
from evscli.corpus.executors.engine import Engine, MakePruner
from evscli.corpus.resume import Backlog, read_state
from evscli.corpus.segments import cut_video, uncut
from evscli.corpus.tasks import Summary, Task
from evscli.pipeline import VideoPruner
from evscli.records import Failure, ModelInfo, VideoInput
from evscli.store.run import check_run
from evscli.store.schema import token_bytes
from evscli.video import VideoIndex

TRIED = 10
"""The number of videos that calibration may choose from, as some cannot be decoded."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """A run that is ready to begin: the model is loaded, and the tasks left are known."""

    pruner: VideoPruner
    engine: Engine
    videos: int
    """The number of all videos, those that need no work included."""
    summaries: Sequence[Summary]
    """The videos that need no work, counted for each store."""
    sample: Sample
    load_seconds: float
    cut: SplitTask


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The work of the run, and the space and time that it takes."""

    model: ModelInfo
    sample: Sample
    forecast: Forecast
    """The forecast of the whole run."""
    stores: Sequence[StoreForecast]
    """The forecast for each store."""
    seen: int
    """The number of videos of the sample that can be read."""
    failures: Sequence[Failure]
    """The failures of the others."""
    token_bytes: int
    """The bytes that a kept token takes on disk."""
    store_dtype: str | None
    """The dtype of stored tokens. None is the dtype of the computation."""
    duration: Duration | None
    """The time of the run; None where it was not asked for, or no video could be tried."""


def prepare(
    videos: Sequence[VideoInput],
    make: MakePruner,
    folders: Sequence[Path],
    *,
    engine: Engine,
    most: int | None = None,
    began: float,
) -> Prepared:
    """Load the model, find what the stores `folders` lack, and take a sample of that.

    At most `most` videos are surveyed, by default `usual_size`; 0 is all of them. `began` is the
    start of the command, by `time.monotonic`. Raises what a run would raise before its work.
    """
    if len(engine.devices) > 1:
        torch.set_num_threads(engine.threads)  # as each worker has
    pruner = make(engine.devices[0])
    loaded = time.monotonic() - began
    for folder, config in zip(folders, pruner.configs, strict=True):
        check_run(folder, config)
    mine = engine.share.of(videos)
    backlog = Backlog(
        states=[read_state(folder) for folder in folders],
        summaries=[Summary() for _ in folders],
        retries=engine.retries,
    )
    tasks, cut = _work(mine, backlog, engine.segment)
    return Prepared(
        pruner=pruner,
        engine=engine,
        videos=len(mine),
        summaries=backlog.summaries,
        sample=take_sample(tasks, usual_size(tasks) if most is None else most or len(tasks)),
        load_seconds=loaded,
        cut=cut,
    )


def _work(
    videos: Sequence[VideoInput], backlog: Backlog, seconds: float | None
) -> tuple[list[Task], SplitTask]:
    """Return the tasks that are left, one per file, and the function that splits each of them."""
    if seconds is None:
        return backlog.tasks(videos), lambda task, _: [task]
    left = uncut(videos, seconds, backlog)

    def cut(task: Task, index: VideoIndex) -> list[Task]:
        return backlog.tasks(cut_video(task.video, index, seconds), compared=True)

    tries = dict.fromkeys(range(len(backlog.states)), 1)
    return [Task(video=video, tries=tries) for video in left], cut


def survey_sample(
    prepared: Prepared, *, advance: Callable[[int], None] = lambda _: None
) -> list[SurveyResult]:
    """Survey the sample; `advance` is called after every video.

    Raises StoreError where the disk for copies of remote videos is full.
    """
    engine, tasks = prepared.engine, prepared.sample.tasks
    count = max(1, min(len(tasks), engine.lanes * len(engine.devices)))
    decoders = [engine.decoder() for _ in range(count)]
    looks = []
    with closing(survey(tasks, prepared.pruner, decoders, cut=prepared.cut)) as looking:
        for look in looking:
            looks.append(look)
            advance(1)
    return looks


def estimate(prepared: Prepared, looks: Sequence[SurveyResult], *, timed: bool) -> Estimate:
    """Return the estimate of the run from its surveyed sample; `timed` tries a few for its time.

    Raises StoreError where the disk for temporary files is full.
    """
    pruner = prepared.pruner
    seen = [look for look in looks if isinstance(look, SurveyedVideo)]
    factor = prepared.sample.factor
    forecast = sum((each.forecast for each in seen), Forecast()).scaled(factor)
    stores = [_store(seen, number).scaled(factor) for number in range(len(prepared.summaries))]
    effort = _effort(prepared, seen) if timed else Effort()
    return Estimate(
        model=pruner.encoder.info,
        sample=prepared.sample,
        forecast=forecast,
        stores=stores,
        seen=len(seen),
        failures=[look for look in looks if isinstance(look, Failure)],
        token_bytes=token_bytes(pruner.encoder.info, pruner.store_dtype),
        store_dtype=pruner.store_dtype,
        duration=duration_of(
            forecast,
            sum(store.stored for store in stores),
            effort,
            prepared.engine,
            tasks=prepared.sample.of,
            load=prepared.load_seconds,
        )
        if effort.videos
        else None,
    )


def _store(seen: Sequence[SurveyedVideo], number: int) -> StoreForecast:
    return sum((each.stores.get(number, StoreForecast()) for each in seen), StoreForecast())


def _effort(prepared: Prepared, seen: Sequence[SurveyedVideo]) -> Effort:
    good = [task for each in seen for task in each.tasks[:1]]
    decoder = prepared.engine.decoder()
    return calibrate(in_hash_order(good, TRIED), prepared.pruner, decoder)
