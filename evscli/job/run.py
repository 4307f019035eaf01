"""The run of a job on this machine or on a cluster, whose workers each make its pruner."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from evscli.corpus.executors.engine import Engine, Listener
from evscli.corpus.executors.local import prune_corpus
from evscli.corpus.executors.ray import connected, prune_on_ray, units_on_ray
from evscli.corpus.resume import Retries
from evscli.corpus.roots import remember
from evscli.corpus.share import parse_share
from evscli.corpus.tasks import Summary
from evscli.encoders.device import common_units, worker_devices
from evscli.job.job import Job
from evscli.job.loading import make_pruner, query_rows, run_settled
from evscli.records import VideoInput

BLOCK = 8
"""The videos in a row of which short ones are encoded together: they go to one worker, whatever the
number of workers, so that a run repeated encodes the same ones together."""

RunVideos = Callable[..., list[Summary]]
"""A function that prunes many videos, as `prune_corpus` does."""


def run_job(job: Job, videos: Sequence[VideoInput], *, listener: Listener) -> list[Summary]:
    """Prune the videos into the job's stores, and return the sums for each store.

    A finished video is skipped, a failing one is recorded and the rest go on; `listener` gets each
    result. Everything finished is kept whatever ends the run. Raises UsageError, ModelError,
    DeviceError, StoreError and MismatchError before any work for a job that cannot be done.
    """
    query_rows(job, videos)
    engine, folders = engine_of(job), job.folders
    for folder in folders:
        remember(folder, dict.fromkeys(video.root for video in videos if video.lies_here))

    with _executor(job, engine) as (run, units):
        return run_settled(
            job,
            folders,
            units,
            lambda settled: run(
                videos, partial(make_pruner, settled), folders, listener=listener, engine=engine
            ),
        )


@contextmanager
def _executor(job: Job, engine: Engine) -> Iterator[tuple[RunVideos, Callable[[], frozenset[str]]]]:
    """Yield a function that prunes many videos, and one for the dtypes of its devices' units."""
    if job.execution.engine == "local":
        yield prune_corpus, partial(common_units, engine.devices)
        return
    address, workers = job.execution.address, job.execution.workers
    device = job.encoding.device
    with connected(address):
        yield (
            partial(prune_on_ray, address=address, device=device, workers=workers),
            partial(units_on_ray, address=address, device=device, workers=workers),
        )


def engine_of(job: Job) -> Engine:
    """Return the job's engine. Raises UsageError, and DeviceError for a device that is missing."""
    execution = job.execution
    return Engine(
        devices=()
        if execution.engine == "ray"
        else worker_devices(job.encoding.device, execution.workers),
        processes=execution.processes,
        timeout=execution.timeout,
        damaged=job.reading.damaged,
        hwaccel=execution.hwaccel,
        retries=Retries(failed=execution.retry_failed, attempts=execution.max_attempts),
        check_sources=execution.check_sources,
        segment=job.storage.segment,
        block=1 if job.encoding.chunk_patches is None else BLOCK,
        share=parse_share(execution.shard_of, os.environ),
    )
