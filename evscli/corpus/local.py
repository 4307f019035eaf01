"""Prunes many videos on this machine, into one store for each selection.

A finished video is skipped, a failing one is recorded and the rest go on. One device is used by
this process itself, several by a worker process each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from evscli.corpus.crew import Crew
from evscli.corpus.decoding.process import DecoderProcess
from evscli.corpus.dispatch import Dispatch
from evscli.corpus.engine import Engine, Listener, MakePruner
from evscli.corpus.jobs import Job
from evscli.corpus.outcome import Summary
from evscli.corpus.reconcile import refuse_lost, stock_of, take_over
from evscli.corpus.resume import Stock, work_left
from evscli.corpus.segments import Cutter, segment_jobs, uncut
from evscli.corpus.worker import prune_jobs
from evscli.records import VideoInput
from evscli.store import StoreWriter


def prune_corpus(
    videos: Sequence[VideoInput],
    make: MakePruner,
    folders: Sequence[Path],
    *,
    listener: Listener,
    engine: Engine,
) -> list[Summary]:
    """Prune into the stores `folders`, one for each selection, what they do not hold yet.

    Of `videos` only the engine's share is done. Everything finished is kept whatever ends the run.
    Raises StoreError where a store cannot be written, MismatchError before any work where one holds
    another configuration or another source under the same id, and what `make` raises.
    """
    run = _run_here if len(engine.devices) == 1 else _run_crew
    return run(engine.share.of(videos), make, folders, listener, engine)


def _run_here(
    videos: Sequence[VideoInput],
    make: MakePruner,
    folders: Sequence[Path],
    listener: Listener,
    engine: Engine,
) -> list[Summary]:
    pruner = make(engine.devices[0])
    if engine.is_alone:
        for folder, config in zip(folders, pruner.configs, strict=True):
            take_over(folder, config, but=engine.numbers)
    with ExitStack() as stack:
        writers = [
            stack.enter_context(StoreWriter(folder, config, writer=engine.numbers[0]))
            for folder, config in zip(folders, pruner.configs, strict=True)
        ]
        dispatch, jobs = stack.enter_context(_begun(videos, writers, listener, engine))
        if not jobs:
            return dispatch.summaries
        decoders = engine.decoders(most=None if engine.segment else jobs)
        with closing(prune_jobs(dispatch, pruner, writers, decoders)) as results:
            for done in results:
                listener.done(done, again=dispatch.settle(done))
    return dispatch.summaries


def _run_crew(
    videos: Sequence[VideoInput],
    make: MakePruner,
    folders: Sequence[Path],
    listener: Listener,
    engine: Engine,
) -> list[Summary]:
    with Crew(make, folders, engine, remark=listener.remark) as crew:
        stocks = [stock_of(folder) for folder in folders]
        with _begun(videos, stocks, listener, engine) as (dispatch, _):
            for done in crew.results(dispatch):
                listener.done(done, again=dispatch.settle(done))
    refuse_lost(videos, folders, segment=engine.segment)
    return dispatch.summaries


@contextmanager
def _begun(
    videos: Sequence[VideoInput], stocks: Sequence[Stock], listener: Listener, engine: Engine
) -> Iterator[tuple[Dispatch, int]]:
    """What is left to do, which the listener is told; of how many files."""
    summaries = [Summary() for _ in stocks]
    retries, check = engine.retries, engine.check_sources
    if engine.segment is None:
        jobs = work_left(videos, stocks, summaries, retries=retries, check_sources=check)
        listener.begin(jobs, summaries)
        yield Dispatch(jobs, summaries), len(jobs)
        return
    left = uncut(videos, engine.segment, stocks, summaries, retries=retries, check_sources=check)
    listener.begin([Job(video=video, tries={}) for video in left], summaries)
    with Cutter(engine.segment, DecoderProcess(timeout=engine.timeout)) as cutter:
        to_come = segment_jobs(cutter.cut(left), stocks, summaries, retries=retries)
        yield Dispatch(to_come, summaries, stop=cutter.stop), len(left)
