"""Prunes many videos on this machine, into one store for each selection.

A finished video is skipped, a failing one is recorded and the rest go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from os import sched_getaffinity
from pathlib import Path
from typing import Protocol

from evscli.corpus.outcome import Summary
from evscli.corpus.process import DecoderProcess
from evscli.corpus.resume import Job, Retries, work_left
from evscli.corpus.worker import Done, prune_jobs
from evscli.pipeline import VideoPruner
from evscli.records import VideoInput
from evscli.store import StoreWriter


class Listener(Protocol):
    """Who is told how a run goes."""

    def begin(self, jobs: Sequence[Job], summaries: Sequence[Summary]) -> None:
        """What is to be done, and for each store what need not be."""

    def done(self, done: Done, *, again: bool) -> None:
        """What became of one video in one store; `again`: it failed and is tried once more."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """How a run goes about its work; nothing of it changes a tensor."""

    processes: int | None = None
    """That decode; by default one less than there are cores, and one at least."""
    timeout: float | None = None
    """Seconds that a video's decoder may take; by default ten minutes and the video's own."""
    retries: Retries = field(default_factory=Retries)
    check_sources: bool = False

    def decoders(self, videos: int) -> list[DecoderProcess]:
        """Decoder processes for so many videos, not yet started."""
        wanted = self.processes or max(1, len(sched_getaffinity(0)) - 1)
        return [DecoderProcess(timeout=self.timeout) for _ in range(min(wanted, videos))]


def prune_corpus(
    videos: Sequence[VideoInput],
    pruner: VideoPruner,
    folders: Sequence[Path],
    *,
    listener: Listener,
    engine: Engine,
) -> list[Summary]:
    """Prune into the stores `folders`, one for each selection, what they do not hold yet, in order.

    Everything finished is kept whatever ends the run. Raises StoreError where a store cannot be
    written, and MismatchError before any work where one holds another configuration or another
    source under the same id.
    """
    summaries = [Summary() for _ in folders]
    with ExitStack() as stack:
        writers = [
            stack.enter_context(StoreWriter(folder, config))
            for folder, config in zip(folders, pruner.configs, strict=True)
        ]
        jobs = work_left(
            videos, writers, summaries, retries=engine.retries, check_sources=engine.check_sources
        )
        listener.begin(jobs, summaries)
        while jobs:
            jobs = _round(jobs, pruner, writers, summaries, listener, engine)
    return summaries


def _round(
    jobs: Sequence[Job],
    pruner: VideoPruner,
    writers: Sequence[StoreWriter],
    summaries: Sequence[Summary],
    listener: Listener,
    engine: Engine,
) -> list[Job]:
    """Try every job once; those that have failed and may be tried again."""
    again: dict[str, Job] = {}
    with closing(prune_jobs(jobs, pruner, writers, engine.decoders(len(jobs)))) as results:
        for done in results:
            retry = done.retry()
            if retry is None:
                summaries[done.store].add(done.outcome)
            else:
                video = retry.video.id
                again[video] = again[video].joined(retry) if video in again else retry
            listener.done(done, again=retry is not None)
    return [*again.values()]
