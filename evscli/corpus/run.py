"""One run over a corpus: what every engine does before its workers and after them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evscli.corpus.crew import Crew, LinkKind, Workforce
from evscli.corpus.dispatch import Dispatch
from evscli.corpus.engine import Engine, Listener, MakePruner
from evscli.corpus.jobs import Done, Job
from evscli.corpus.outcome import Summary
from evscli.corpus.reconcile import refuse_lost, stock_of
from evscli.corpus.resume import Stock, work_left
from evscli.corpus.segments import Cutter, segment_jobs, uncut
from evscli.records import VideoInput


@dataclass(frozen=True, kw_only=True)
class Run:
    """What is pruned into which stores, and how."""

    videos: Sequence[VideoInput]
    make: MakePruner
    folders: Sequence[Path]
    listener: Listener
    engine: Engine

    @contextmanager
    def begun(self, stocks: Sequence[Stock]) -> Iterator[tuple[Dispatch, int]]:
        """What is left to do, which the listener is told, and of how many files.

        Raises MismatchError.
        """
        summaries, engine = [Summary() for _ in stocks], self.engine
        retries, check = engine.retries, engine.check_sources
        if engine.segment is None:
            jobs = work_left(self.videos, stocks, summaries, retries=retries, check_sources=check)
            self.listener.begin(jobs, summaries)
            yield Dispatch(jobs, summaries), len(jobs)
            return
        left = uncut(
            self.videos, engine.segment, stocks, summaries, retries=retries, check_sources=check
        )
        self.listener.begin([Job(video=video, tries={}) for video in left], summaries)
        with Cutter(engine.segment, engine.decoder()) as cutter:
            to_come = segment_jobs(
                cutter.cut(left), engine.segment, stocks, summaries, retries=retries
            )
            yield Dispatch(to_come, summaries, stop=cutter.stop), len(left)

    def settle(self, dispatch: Dispatch, done: Done) -> None:
        """Count a result, and tell the listener."""
        self.listener.done(done, again=dispatch.settle(done))


def prune_by_crew(run: Run, workforce: Workforce[LinkKind]) -> list[Summary]:
    """Have several workers do it. Raises as `prune_corpus` does."""
    crew = Crew(workforce, run.make, run.folders, run.engine, remark=run.listener.remark)
    with crew, run.begun([stock_of(folder) for folder in run.folders]) as (dispatch, _):
        for done in crew.results(dispatch):
            run.settle(dispatch, done)
    refuse_lost(run.videos, run.folders, segment=run.engine.segment)
    return dispatch.summaries
