"""One run over a corpus: the steps of every engine before its workers and after them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evscli.corpus.executors.engine import Engine, Listener, MakePruner
from evscli.corpus.executors.pool import Backend, HandleKind, WorkerPool
from evscli.corpus.executors.queue import TaskQueue
from evscli.corpus.outcome import Summary
from evscli.corpus.reconcile import read_state, refuse_lost
from evscli.corpus.resume import StoreState, work_left
from evscli.corpus.segments import Cutter, segment_tasks, uncut
from evscli.corpus.tasks import Done, Task
from evscli.records import VideoInput


@dataclass(frozen=True, kw_only=True)
class CorpusRun:
    """The videos of a run, the stores they are pruned into, and the machinery."""

    videos: Sequence[VideoInput]
    make: MakePruner
    folders: Sequence[Path]
    listener: Listener
    engine: Engine

    @contextmanager
    def begun(self, states: Sequence[StoreState]) -> Iterator[tuple[TaskQueue, int]]:
        """Report the tasks left to the listener; yield their queue and the number of files.

        Raises MismatchError.
        """
        summaries, engine = [Summary() for _ in states], self.engine
        retries, check = engine.retries, engine.check_sources
        if engine.segment is None:
            tasks = work_left(self.videos, states, summaries, retries=retries, check_sources=check)
            self.listener.begin(tasks, summaries)
            yield TaskQueue(tasks, summaries), len(tasks)
            return
        left = uncut(
            self.videos, engine.segment, states, summaries, retries=retries, check_sources=check
        )
        self.listener.begin([Task(video=video, tries={}) for video in left], summaries)
        with Cutter(engine.segment, engine.decoder()) as cutter:
            to_come = segment_tasks(
                cutter.cut(left), engine.segment, states, summaries, retries=retries
            )
            yield TaskQueue(to_come, summaries, stop=cutter.stop), len(left)

    def settle(self, queue: TaskQueue, done: Done) -> None:
        """Count a result, and report it to the listener."""
        self.listener.done(done, again=queue.settle(done))


def prune_by_pool(run: CorpusRun, backend: Backend[HandleKind]) -> list[Summary]:
    """Have several workers prune the videos. Raises as `prune_corpus` does."""
    pool = WorkerPool(backend, run.make, run.folders, run.engine)
    with pool, run.begun([read_state(folder) for folder in run.folders]) as (queue, _):
        for done in pool.results(queue):
            run.settle(queue, done)
    refuse_lost(run.videos, run.folders, segment=run.engine.segment)
    return queue.summaries
